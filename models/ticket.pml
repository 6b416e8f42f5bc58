/* What an agent does with its tickets when the relay is hostile: tunnel::AgentSession, docs/protocol/tunnel.md sections 3 and 7.
 *
 * The relay gives tickets in two control sessions, one after the other, and names in OPEN whatever ticket it ever gave or made
 * up, as often as it likes, in either session. The agent dials some in advance and loses some of those.
 *
 * Properties: (once) no ticket is served twice; (given) none is served that was not given in this session; (over) nothing is
 * served once the session that gave it is over.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define TICKETS 4 /* 0 and 1 are given in session 0, 2 and 3 in session 1; OPEN may name 4, which nobody gave */
#define OPENS 6

mtype = { unknown, held, dialled, lost, spent };

mtype ticket[TICKETS + 1] = unknown; /* as the agent has it */
byte served[TICKETS + 1];
byte session = 0;
bool session_open = true;
bool given[TICKETS + 1];
byte opens = 0;

/* AgentSession::on_tickets; a ticket given twice ends the session */
inline give(t) {
  if
  :: ticket[t] == held || ticket[t] == dialled -> session_open = false
  :: else -> ticket[t] = held; given[t] = true
  fi
}

/* AgentSession::on_open: serve, or REFUSE unknown_ticket */
inline open(t) {
  if
  :: ticket[t] == held || ticket[t] == dialled || ticket[t] == lost ->
     assert(served[t] == 0);                         /* once */
     assert(given[t]);                               /* given */
     assert(t / 2 == session);                       /* over */
     served[t]++;
#if MUTANT != 1
     ticket[t] = spent
#endif
  :: else -> skip
  fi
}

inline end_session() {
  byte i;
  i = 0;
#if MUTANT != 2
  do
  :: i <= TICKETS -> ticket[i] = unknown; i++
  :: else -> break
  od;
#endif
  session_open = false
}

proctype Relay() {
  byte t;
  /* Honest as far as it gives fresh tickets to each session: an agent cannot tell whether it has seen a ticket in an older one. */
  do
  :: atomic { session_open && !given[2 * session] -> give(2 * session) }
  :: atomic { session_open && !given[2 * session + 1] -> give(2 * session + 1) }
  :: atomic {
       session_open && opens < OPENS ->
       opens++;
       select (t : 0 .. TICKETS);
       open(t)
     }
  :: opens >= OPENS || !session_open -> if :: session == 1 || opens >= OPENS -> break :: else -> skip fi
  od
}

proctype Agent() {
  byte t;
  do
  :: atomic { /* take_ticket, ready_lost */
       select (t : 0 .. TICKETS);
       if
       :: ticket[t] == held -> ticket[t] = dialled
       :: ticket[t] == dialled -> ticket[t] = lost
       :: else -> skip
       fi
     }
  :: atomic { session_open -> end_session() }
  :: atomic { !session_open && session == 0 -> session = 1; session_open = true }
  :: !session_open && session == 1 -> break
  od
}

init { atomic { run Relay(); run Agent() } }
