/* One call of a method that must not run twice, from a caller who does not know the time, to a node that is restarted in between:
 * sealed::Caller (deadline_of, learn_time), sealed::Responder (is_in_time, Results), rpcnode::StartedCalls,
 * docs/protocol/sealed-rpc.md sections 2, 6 and 7.
 *
 * The caller's INIT has the hint without an epoch and is answered RETRY, with the node's time, by which the caller dates the call. It sends
 * the call as DATA in whatever session it has, again and again under its one id. It dates it anew only where everything that it sent so far
 * was answered by `expired`. The broker keeps every message, delivers it whenever and as often as it likes, and loses answers. The node's
 * memory (sessions, handshakes seen, what is known of calls) is gone after a restart; its disk has the mark, and until when marks are
 * forgotten. Its clock may go back once.
 *
 * Properties: (once) the call runs once at most; (dated) nothing is run that has no date, or after it; (true) a caller who was told that it
 * is done was told so of a run that was.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define HANDSHAKES 2
#define REQUESTS 2
#define LIVES 1
#define LIFE 1       /* from the node's time to the deadline */
#define LAST 2       /* time that passes */
#define DELIVERIES 5
#define NONE 255     /* no date, no life */

bool init_sent[HANDSHAKES];
byte told_time[HANDSHAKES];    /* by ACCEPT; NONE until it came */
byte told_life[HANDSHAKES];    /* of the node: its keys are of that life */
byte requests = 0;             /* that are with the broker */
byte session_of[REQUESTS];
byte life_of[REQUESTS];
byte date_of[REQUESTS];
bool taken[REQUESTS];          /* its tag was used */
bool answered[REQUESTS];       /* by `expired`, and the caller has heard it */
byte date = NONE;              /* of the call */

/* the node's memory */
byte life = 0;
bool seen[HANDSHAKES];
bool known = false;
byte known_until = 0;
bool running = false;
byte forgotten = 0;            /* the latest deadline of what was known and is no longer */
/* the node's disk */
bool mark = false;
byte mark_until = 0;
byte marks_forgotten = 0;

byte now = 0;
bool went_back = false;
byte runs = 0;
bool told_done = false;
byte deliveries = 0;

inline restart() {
  life++;
  seen[0] = false; seen[1] = false;
  known = false; running = false; forgotten = 0
#if MUTANT == 3
  ; mark = false
#endif
}

inline may_restart() {
  if
  :: life < LIVES -> restart(); goto ready
  :: true -> skip
  fi
}

inline forget() {
  if
  :: known && !running && now > known_until ->
     known = false;
     if :: known_until > forgotten -> forgotten = known_until :: else -> skip fi
  :: else -> skip
  fi;
  if
  :: mark && !running && now > mark_until ->
     mark = false;
     if :: mark_until > marks_forgotten -> marks_forgotten = mark_until :: else -> skip fi
  :: else -> skip
  fi
}

/* Rules 1, 2 and 4 of section 7, for a call with this deadline. `m` is the request that is answered. */
inline decide(deadline, m) {
  if
  :: known -> if :: !running -> told_done = true :: skip fi
#if MUTANT == 4
  :: !known && now > deadline -> if :: answered[m] = true :: skip fi
  :: !known && now <= deadline && mark -> skip             /* outcome unknown */
  :: !known && now <= deadline && !mark ->
#else
  :: !known && (now > deadline || deadline <= forgotten || deadline <= marks_forgotten) -> if :: answered[m] = true :: skip fi
  :: !known && now <= deadline && deadline > forgotten && deadline > marks_forgotten && mark -> skip
  :: !known && now <= deadline && deadline > forgotten && deadline > marks_forgotten && !mark ->
#endif
     atomic { known = true; known_until = deadline; running = true };
     atomic { mark = true; mark_until = deadline };
     may_restart();
     atomic {
       assert(deadline != NONE && now <= deadline + 1);      /* dated: it may have begun at the last moment */
       runs++
     };
     may_restart();
     running = false;
     if :: told_done = true :: skip fi
  fi
}

inline everything_was_answered() {
  all = true;
  if :: requests > 0 && !answered[0] -> all = false :: else -> skip fi;
  if :: requests > 1 && !answered[1] -> all = false :: else -> skip fi
}

active proctype Caller() {
  byte e;
  bool all;
  atomic { told_time[0] = NONE; told_time[1] = NONE; told_life[0] = NONE; told_life[1] = NONE };
  do
  :: atomic { !init_sent[0] -> init_sent[0] = true }
  :: atomic { init_sent[0] && !init_sent[1] -> init_sent[1] = true }
  :: atomic {
       requests < REQUESTS && (told_time[0] != NONE || told_time[1] != NONE) ->
       if :: told_time[0] != NONE -> e = 0 :: told_time[1] != NONE -> e = 1 fi;
       everything_was_answered();
       if
#if MUTANT == 2
       :: true -> date = told_time[e] + LIFE
#else
       :: date == NONE || all -> date = told_time[e] + LIFE
       :: date != NONE -> skip
#endif
       fi;
       session_of[requests] = e; life_of[requests] = told_life[e]; date_of[requests] = date;
       requests++
     }
  :: deliveries >= DELIVERIES -> break
  od
}

active proctype Node() {
  byte e, m;
ready:
  do
  :: atomic { life < LIVES -> restart() }
  :: deliveries < DELIVERIES ->
     atomic { deliveries++; forget() };
     if
     :: atomic { init_sent[0] && !seen[0] -> e = 0; seen[0] = true }; goto handshake
     :: atomic { init_sent[1] && !seen[1] -> e = 1; seen[1] = true }; goto handshake
     :: atomic {                         /* a request whose session is of this life, for the first time */
          select (m : 0 .. REQUESTS - 1);
          if
          :: m < requests && life_of[m] == life && !taken[m] -> taken[m] = true
          :: else -> goto ready          /* dropped */
          fi
        };
        decide(date_of[m], m)
     fi;
     goto looked
handshake:
#if MUTANT == 1
     decide(now + LIFE, 0);              /* what has no date is run as if it were of now */
#endif
     atomic {
       if
       :: told_time[e] == NONE -> told_time[e] = now; told_life[e] = life /* RETRY */
       :: skip                           /* lost, or the caller has done with this handshake */
       fi
     };
looked:
     assert(runs <= 1);                  /* once */
     assert(!told_done || runs == 1)     /* true */
  :: deliveries >= DELIVERIES -> break
  od
}

active proctype Clock() {
  do
  :: atomic { now < LAST -> now++; forget() }
  :: atomic { now > 0 && !went_back -> went_back = true; now-- }
  :: deliveries >= DELIVERIES -> break
  od
}
