/* The one-time tags of a session: which requests a node takes, and which replies a caller takes for which request, whatever order and
 * number the broker delivers them in: sealed's tag table and session, docs/protocol/sealed-rpc.md section 5. The window is small here.
 *
 * Properties: (once) a request is taken once at most; (near) one that was never taken and is near the highest one taken is taken;
 * (own) an answer is taken for the request that it answers, and once.
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define REQUESTS 6
#define WINDOW 2
#define DELIVERIES 10

byte sent = 0;                 /* requests 0 to sent - 1 are with the broker */
bool open_tag[REQUESTS + WINDOW + 1];
bool ever_taken[REQUESTS];
byte taken[REQUESTS];
byte top = 0;                  /* tags below are known or were */
byte low = 0;                  /* tags below are forgotten */
bool replied[REQUESTS];
bool awaited[REQUESTS];
byte answers[REQUESTS];
byte deliveries = 0;

/* After request n was taken: tags up to n + WINDOW, none below n - WINDOW. */
inline slide(n) {
  do
#if MUTANT == 2
  :: top <= n + WINDOW || (top > n && !open_tag[n]) -> open_tag[n] = true; top = n + WINDOW + 1; break
#else
  :: top <= n + WINDOW -> open_tag[top] = true; top++
#endif
  :: else -> break
  od;
  do
  :: low + WINDOW < n -> open_tag[low] = false; low++
  :: else -> break
  od
}

inline take(n) {
  if
  :: open_tag[n] ->
     taken[n]++;
     assert(taken[n] == 1);                                  /* once */
#if MUTANT != 1
     open_tag[n] = false;
#endif
     ever_taken[n] = true;
     slide(n);
     replied[n] = true
  :: !open_tag[n] ->
     assert(ever_taken[n] || n >= top || n < low)             /* near */
  fi
}

active proctype Caller() {
  do
  :: atomic { sent < REQUESTS -> awaited[sent] = true; sent++ }
  :: sent == REQUESTS || deliveries >= DELIVERIES -> break
  od
}

active proctype Broker() {
  byte n, m;
  atomic { open_tag[0] = true; open_tag[1] = true; top = WINDOW };
  do
  :: atomic {
       deliveries < DELIVERIES && sent > 0 ->
       deliveries++;
       select (n : 0 .. REQUESTS - 1);
       if :: n < sent -> take(n) :: else -> skip fi
     }
  :: atomic { /* the reply to n, given to whoever awaits m */
       deliveries < DELIVERIES && sent > 0 ->
       deliveries++;
       select (n : 0 .. REQUESTS - 1);
       select (m : 0 .. REQUESTS - 1);
       if
#if MUTANT == 3
       :: n < sent && m < sent && replied[n] && awaited[m] ->
#else
       :: n < sent && m < sent && replied[n] && awaited[m] && n == m ->
#endif
          answers[m]++;
          assert(n == m && answers[m] == 1);                  /* own */
#if MUTANT != 4
          awaited[m] = false
#endif
       :: else -> skip
       fi
     }
  :: deliveries >= DELIVERIES -> break
  od
}
