/* Which of several control connections of one device is the one: tunnel::DisplacementPolicy and relay::Devices,
 * docs/protocol/tunnel.md section 7.
 *
 * Two holders of one key, each with a boot id of its own, connect, lose their connection and connect again. The end of a
 * connection reaches the relay at any later moment, as does the answer to a probe.
 *
 * Properties: (current) a device has a current connection as long as one that was admitted lives, and a late end of an older one
 * changes nothing; (newest) without an alarm the newest is current; (peace) they displace each other so many times and no more;
 * (refused) who was sent away is not admitted afterwards.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define CONNECTIONS 7
#define NONE 255
#define MAX_ALTERNATIONS 3 /* tunnel/limits.h */

mtype = { unborn, judging, established, displaced, away, over };

mtype connection[CONNECTIONS] = unborn; /* as the relay knows it; its number is its generation */
bool of_second[CONNECTIONS];            /* which boot id it said */
byte born = 0;
byte incumbent = NONE, rival = NONE;
byte arrivals = 0; /* changes of boot id within the window, all of one window here */
bool last_of_second = false, alarmed = false;
byte displacements = 0; /* of one boot id by the other */

inline admit(c) {
  assert(connection[c] != away); /* refused */
  connection[c] = established
}

/* DisplacementPolicy::on_hello */
inline hello(c) {
  if
  :: arrivals == 0 || last_of_second != of_second[c] -> arrivals++
  :: else -> skip
  fi;
  last_of_second = of_second[c];
  if
  :: arrivals > MAX_ALTERNATIONS + 1 -> alarmed = true; arrivals--
  :: else -> skip
  fi;
  if
  :: incumbent == NONE -> incumbent = c; admit(c)
  :: else ->
     if
#if MUTANT == 2
     :: true ->
#else
     :: !alarmed || of_second[incumbent] == of_second[c] ->
#endif
        if
        :: of_second[incumbent] != of_second[c] -> displacements++
        :: else -> skip
        fi;
        assert(displacements <= MAX_ALTERNATIONS + 1); /* peace */
        connection[incumbent] = displaced;
        incumbent = c;
        admit(c)
     :: else ->
        if
        :: rival != NONE -> connection[c] = away
        :: else -> rival = c; connection[c] = judging /* the incumbent is probed */
        fi
     fi
  fi
}

/* DisplacementPolicy::on_gone */
inline gone(c) {
  connection[c] = over;
  if
  :: rival == c -> rival = NONE
  :: else ->
     if
#if MUTANT == 1
     :: true ->
#else
     :: incumbent == c ->
#endif
        incumbent = rival;
        rival = NONE;
        if
        :: incumbent != NONE -> admit(incumbent)
        :: else -> skip
        fi
     :: else -> skip
     fi
  fi
}

/* The probe's answer: the rival is sent away. */
inline answered() {
  if
  :: rival != NONE ->
     connection[rival] = away;
#if MUTANT != 3
     rival = NONE
#endif
  :: else -> skip
  fi
}

inline is_consistent() {
  for (i : 0 .. CONNECTIONS - 1) {
    assert(connection[i] != established || incumbent == i) /* current, and newest: nothing older is established */
  }
  i = 0;
  assert(incumbent == NONE || connection[incumbent] == established)
}

proctype Holder(bool second) {
  byte mine, i;
  do
  :: atomic {
       born < CONNECTIONS ->
       mine = born;
       born++;
       of_second[mine] = second;
       hello(mine);
       is_consistent()
     };
     if
     :: true -> skip /* it comes again before the relay has heard of the end of this one */
     :: atomic {
          if
          :: connection[mine] != over -> gone(mine); is_consistent()
          :: else -> skip
          fi
        }
     fi;
     mine = 0
  :: born >= CONNECTIONS -> break
  od
}

/* Ends that are heard of late, and probes that are answered while the incumbent lives. */
proctype Later() {
  byte c, i;
  do
  :: atomic {
       select (c : 0 .. CONNECTIONS - 1);
       if
       :: connection[c] != unborn && connection[c] != over -> gone(c); is_consistent()
       :: else -> skip
       fi;
       c = 0
     }
  :: atomic { rival != NONE -> answered(); is_consistent() }
  :: born >= CONNECTIONS -> break
  od
}

init { atomic { run Holder(false); run Holder(true); run Later() } }
