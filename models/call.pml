/* One call of a method that must not run twice, through a broker that keeps every message and delivers it whenever and as often as it
 * likes, to a node that may crash between any two steps: sealed::Responder, rpcnode::StartedCalls, docs/protocol/sealed-rpc.md
 * section 7.
 *
 * The caller opens sessions by INIT and sends the call in each, as INIT itself (a stored call) or as DATA once the node has answered
 * RETRY. It repeats the call under its one id. The node's memory (sessions, handshakes seen, results) is gone after a crash; its marks
 * are on disk until a margin after the deadline.
 *
 * Properties: (once) the call runs once at most; (true) a caller who was told that it is done was told so of a run that was.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define HANDSHAKES 2
#define LIVES 3
#define DELIVERIES 8
#define IDS 2 /* a caller uses the first alone, but for mutant 4 */

mtype = { nothing, runs, done };

bool stored;                   /* kind of the call: it may be run out of INIT, whatever its age */
bool init_sent[HANDSHAKES];
bool data_sent[HANDSHAKES];
bool accepted[HANDSHAKES];     /* the caller has got ACCEPT for it */
byte id_of[HANDSHAKES];

/* the node's memory */
byte life = 0;
bool seen[HANDSHAKES];
bool session[HANDSHAKES];
bool tag_free[HANDSHAKES];
mtype result[IDS] = nothing;
/* the node's disk */
bool mark[IDS];
/* 0: before the deadline, 1: after it, 2: after the margin, when marks and results are forgotten */
byte time = 0;

byte runs_so_far = 0;
bool told_done = false;
byte deliveries = 0;

inline crash() {
  life++;
  seen[0] = false; seen[1] = false;
  session[0] = false; session[1] = false;
  tag_free[0] = false; tag_free[1] = false;
  result[0] = nothing; result[1] = nothing
}

inline may_crash() {
  if
  :: life < LIVES -> crash(); goto ready
  :: true -> skip
  fi
}

inline tell_done() {
  if
  :: told_done = true        /* the broker lets the answer through */
  :: skip                    /* or not */
  fi
}

/* What is asked of a call that came freshly: section 7, points 2 to 4. Its steps are apart, and the node may crash between any two. */
inline execute(id) {
  if
#if MUTANT != 3
  :: time > 0 -> skip                                /* expired */
  :: time == 0 && result[id] == done -> tell_done()  /* as it is kept */
  :: time == 0 && result[id] == runs -> skip         /* answered when it has ended */
  :: time == 0 && result[id] == nothing && mark[id] -> skip /* outcome unknown */
  :: time == 0 && result[id] == nothing && !mark[id] ->
#else
  :: result[id] == done -> tell_done()
  :: result[id] == runs -> skip
  :: result[id] == nothing && mark[id] -> skip
  :: result[id] == nothing && !mark[id] ->
#endif
     result[id] = runs;
#if MUTANT != 1 && MUTANT != 2
     mark[id] = true;
     may_crash();
#endif
     runs_so_far++;
     may_crash();
#if MUTANT == 2
     mark[id] = true;
     may_crash();
#endif
     result[id] = done;
     tell_done()
  fi
}

active proctype Caller() {
  byte e;
  stored = false;
  if :: stored = true :: skip fi;
  do
  :: atomic {
       select (e : 0 .. HANDSHAKES - 1);
       if
       :: !init_sent[e] && (e == 0 || init_sent[e - 1]) ->
          init_sent[e] = true;
#if MUTANT == 4
          id_of[e] = e
#else
          id_of[e] = 0
#endif
       :: init_sent[e] && accepted[e] && !data_sent[e] && !stored -> data_sent[e] = true
       :: else -> skip
       fi
     }
  :: deliveries >= DELIVERIES -> break
  od
}

active proctype Node() {
  byte e;
ready:
  do
  :: atomic { life < LIVES -> crash() }
  :: deliveries < DELIVERIES ->
     atomic { deliveries++; select (e : 0 .. HANDSHAKES - 1) };
     if
     :: init_sent[e] && !seen[e] ->      /* the broker delivers INIT, again perhaps */
        atomic { seen[e] = true; session[e] = true; tag_free[e] = true };
        if
        :: stored -> execute(id_of[e])
        :: !stored -> accepted[e] = true /* RETRY */
        fi
     :: data_sent[e] && session[e] && tag_free[e] ->
        tag_free[e] = false;
        execute(id_of[e])
     :: else -> skip                     /* dropped */
     fi;
     assert(runs_so_far <= 1);                      /* once */
     assert(!told_done || runs_so_far == 1)         /* true */
  :: deliveries >= DELIVERIES -> break
  od
}

active proctype Clock() {
  do
  :: atomic { time == 0 -> time = 1 }
  :: atomic {
       time == 1 && result[0] != runs && result[1] != runs ->
       time = 2;
       mark[0] = false; mark[1] = false;
       result[0] = nothing; result[1] = nothing
     }
  :: time == 2 || deliveries >= DELIVERIES -> break
  od
}
