/* How users and data connections meet at a relay: tunnel::Rendezvous, docs/protocol/tunnel.md sections 3 and 7.
 *
 * Two devices with two tickets each, two users, data connections that come early, late, twice (whoever copied a ticket on
 * its way shows it as well) or never, refusals, deadlines, and control sessions that end at any moment.
 *
 * Properties: (once) a ticket joins at most once; (own) a user is joined with a connection of the device he asked for, by the
 * ticket that his OPEN named or that was ready; (live) only a user who waits is joined; (ends) no user waits for ever.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define DEVICES 2
#define TICKETS 4 /* ticket t is of device t / 2 */
#define USERS 2
#define NOBODY 255

mtype = { issued, ready, awaited, void };
mtype = { absent, waiting, joined, told };

mtype ticket[TICKETS] = issued;
byte awaited_by[TICKETS] = NOBODY;
byte joins[TICKETS];
mtype user[USERS] = absent;
byte wants[USERS];
bool session_over[DEVICES];

inline join(u, t) {
  assert(user[u] == waiting);           /* live */
  assert(wants[u] == (t) / 2);          /* own */
  assert(joins[t] == 0);                /* once */
  assert(!session_over[(t) / 2]);
  joins[t]++;
  user[u] = joined
}

/* Rendezvous::claim */
inline claim(u, d) {
  user[u] = waiting;
  wants[u] = d;
  if
  :: ticket[2 * d] == ready -> join(u, 2 * d); ticket[2 * d] = void
  :: else ->
     if
     :: ticket[2 * d + 1] == ready -> join(u, 2 * d + 1); ticket[2 * d + 1] = void
     :: else ->
        if
        :: ticket[2 * d] == issued -> ticket[2 * d] = awaited; awaited_by[2 * d] = u
        :: ticket[2 * d + 1] == issued -> ticket[2 * d + 1] = awaited; awaited_by[2 * d + 1] = u
        :: ticket[2 * d] != issued && ticket[2 * d + 1] != issued -> user[u] = told
        fi
     fi
  fi
}

/* Rendezvous::arrive */
inline arrive(t) {
  if
  :: ticket[t] == issued -> ticket[t] = ready
  :: ticket[t] == awaited ->
#if MUTANT == 3
     if
     :: user[0] == waiting -> join(0, t)
     :: else -> join(1, t)
     fi;
#else
     join(awaited_by[t], t);
#endif
#if MUTANT != 1
     ticket[t] = void;
     awaited_by[t] = NOBODY
#endif
  :: ticket[t] == ready || ticket[t] == void -> skip /* reset: shown before, spent, or of a session that is over */
  fi
}

/* Rendezvous::refuse, and what the deadline does */
inline end_wait(u) {
  byte i;
  i = 0;
  do
  :: i < TICKETS ->
     if
     :: ticket[i] == awaited && awaited_by[i] == u ->
#if MUTANT != 2
        ticket[i] = void;
        awaited_by[i] = NOBODY
#else
        skip
#endif
     :: else -> skip
     fi;
     i++
  :: else -> break
  od;
  user[u] = told
}

inline end_session(d) {
  session_over[d] = true;
  byte k;
  k = 2 * d;
  do
  :: k < 2 * d + 2 ->
     if
     :: ticket[k] == awaited && user[awaited_by[k]] == waiting -> user[awaited_by[k]] = told
     :: else -> skip
     fi;
     ticket[k] = void;
     awaited_by[k] = NOBODY;
     k++
  :: else -> break
  od
}

proctype User(byte u) {
  atomic {
    if
    :: claim(u, 0)
    :: claim(u, 1)
    fi
  }
  /* The deadline, or a refusal before it; later than whatever else happens, or sooner. */
#if MUTANT != 4
  atomic {
    if
    :: user[u] == waiting -> end_wait(u)
    :: else -> skip
    fi
  }
#endif
}

/* The agent's dial, and whoever copied its preface. */
proctype Data(byte t) {
  if
  :: atomic { arrive(t) }; if :: atomic { arrive(t) } :: skip fi
  :: skip
  fi
}

proctype Session(byte d) {
  if
  :: atomic { end_session(d) }
  :: skip
  fi
}

init {
  atomic {
    run User(0); run User(1);
    run Data(0); run Data(1); run Data(2); run Data(3);
    run Session(0); run Session(1)
  }
}

ltl ends { [] ((user[0] == waiting) -> <> (user[0] != waiting)) && [] ((user[1] == waiting) -> <> (user[1] != waiting)) }
