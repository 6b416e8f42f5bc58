/* How long a session is served: authority, hostile relay, agent. tunnel::LiveGrants, docs/protocol/tunnel.md section 6.
 *
 * The authority gives a session a grant, renews it while it likes, and ends it at some moment. Every grant and the CUT pass the
 * relay, which hands them over in any order, as often as it likes, late or never. Time goes in steps; a grant is good for LIFE of
 * them, the agent's clock may be TOLERANCE behind, and no grant goes beyond the session's end.
 *
 * Properties: (force) what is served is under a grant in force; (cut) nothing is served once the CUT came; (bound) nothing is
 * served longer than LIFE and TOLERANCE after the authority ended the session; (end) nor after the session's end.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define LIFE 2
#define TOLERANCE 1
#define SESSION_END 5
#define LAST 9
#define NONE 255

byte now = 0;
byte expires_of[SESSION_END + 1] = NONE; /* grant i was issued at the time i; NONE: it was not */
byte ended_at = NONE;                    /* by the authority */
byte held = NONE;                        /* expiry of the newest grant that the agent has */
bool serving = false, cut = false; /* cut: as the agent remembers it */
bool cut_came = false;

inline check() {
  assert(!serving || !cut_came);                                       /* cut */
  assert(!serving || now <= held + TOLERANCE);                         /* force */
  assert(!serving || ended_at == NONE || now <= ended_at + LIFE + TOLERANCE); /* bound */
  assert(!serving || now <= SESSION_END + TOLERANCE)                   /* end */
}

proctype Authority() {
  do
  :: atomic { /* issue or renew */
       ended_at == NONE && now < SESSION_END && expires_of[now] == NONE ->
#if MUTANT == 3
       expires_of[now] = now + LIFE + LIFE
#else
       expires_of[now] = (now + LIFE < SESSION_END -> now + LIFE : SESSION_END)
#endif
     }
  :: atomic { ended_at == NONE && expires_of[0] != NONE -> ended_at = now }
  :: ended_at != NONE || now >= LAST -> break
  od
}

/* LiveGrants::admit: an OPEN or a GRANT */
inline admit(expiry) {
  if
#if MUTANT == 1
  :: now <= expiry + TOLERANCE ->
#else
  :: !cut && now <= expiry + TOLERANCE ->
#endif
     if
     :: held == NONE || expiry > held -> held = expiry
     :: else -> skip /* older than what it has */
     fi;
     serving = true
  :: else -> skip
  fi
}

proctype Relay() {
  byte g;
  do
  :: atomic {
       select (g : 0 .. SESSION_END);
       if
       :: expires_of[g] != NONE -> admit(expires_of[g]); check()
       :: else -> skip
       fi
     }
  :: atomic { ended_at != NONE -> /* CUT */ serving = false; cut = true; cut_came = true; check() }
  :: now >= LAST -> break
  od
}

/* LiveGrants::expire, at every step of time */
proctype Clock() {
  do
  :: atomic {
       now < LAST -> now++;
       if
#if MUTANT != 2
       :: serving && now > held + TOLERANCE -> serving = false
#endif
       :: else -> skip
       fi;
       check()
     }
  :: now >= LAST -> break
  od
}

init { atomic { run Authority(); run Relay(); run Clock() } }
