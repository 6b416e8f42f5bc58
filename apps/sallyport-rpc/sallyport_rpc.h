/* Sealed calls of methods of a node through brokers that are not trusted, for callers in C and in whatever calls C
 * (docs/protocol/sealed-rpc.md is what goes over the wire, docs/operate/rpc.md how it is set up).
 *
 *   sallyport_rpc *rpc = sallyport_rpc_new();
 *   sallyport_rpc_set(rpc, "broker", "mqtts://broker.example");
 *   sallyport_rpc_set(rpc, "ca", "broker-ca.pem");
 *   sallyport_rpc_set(rpc, "key-file", "plant-a.key");
 *   if (sallyport_rpc_open(rpc, "pump-0001") == SALLYPORT_RPC_OK) {
 *     sallyport_rpc_answer *answer = sallyport_rpc_call(rpc, "pump.start", "{\"speed\": 3}", NULL);
 *     if (sallyport_rpc_answer_status(answer) == SALLYPORT_RPC_OK) puts(sallyport_rpc_answer_json(answer));
 *     sallyport_rpc_answer_free(answer);
 *   }
 *   sallyport_rpc_close(rpc);
 *
 * Texts are UTF-8 and end with a zero. The library copies what it is given and keeps no pointer of the caller's after
 * it has returned. What it gives out belongs to the object that it came from and lives as long as that.
 *
 * A handle has one thread of its own from sallyport_rpc_open() to sallyport_rpc_close(), with all signals blocked.
 * Up to 256 threads may call on one handle at the same time, and each is answered for itself; new, set, open and
 * close are for one thread. A handle that was open is of no use in a child after fork():
 * calls end as SALLYPORT_RPC_CLOSED there, and close frees nothing. Nothing is written to
 * standard output; to standard error only what is a fault of the library itself.
 *
 * No function raises anything or changes the process: neither its signals, nor its locale, nor its working directory.
 */
#ifndef SALLYPORT_RPC_H
#define SALLYPORT_RPC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Of this header. Functions and values are only added while it stays. */
#define SALLYPORT_RPC_ABI 1
/* Of the library that is loaded: another one is not to be used. */
int sallyport_rpc_abi(void);
/* "0.1.0" */
const char *sallyport_rpc_version(void);

/* What became of something. */
enum {
  SALLYPORT_RPC_OK = 0,
  SALLYPORT_RPC_FAULT = 1,           /* the method answered with an error */
  SALLYPORT_RPC_DENIED = 2,          /* the node's rules do not allow it to us */
  SALLYPORT_RPC_TIMEOUT = 3,         /* no answer: it ran or did not; the same id again tells */
  SALLYPORT_RPC_DISCONNECTED = 4,    /* no broker; as TIMEOUT where it was sent before the connection was lost */
  SALLYPORT_RPC_OUTCOME_UNKNOWN = 5, /* it was started, and the node lost what came of it: a person decides */
  SALLYPORT_RPC_NOT_RUN = 6,         /* too much to do, or too late; it may be called anew. Not for an id of before */
  SALLYPORT_RPC_ACCEPTED = 7,        /* a stored call that has not ended */
  SALLYPORT_RPC_UNKNOWN_CALL = 8,    /* asked for a stored call that the node has not */
  SALLYPORT_RPC_USAGE = 9,           /* what was given cannot be; nothing was sent */
  SALLYPORT_RPC_CLOSED = 10,         /* closed, or not open */
  SALLYPORT_RPC_INTERNAL = 11        /* a fault of the library or of the machine: no memory */
};

typedef struct sallyport_rpc sallyport_rpc;
typedef struct sallyport_rpc_answer sallyport_rpc_answer;

/* One way to one node. NULL when memory is out. */
sallyport_rpc *sallyport_rpc_new(void);

/* Before open. The names are those of `sallyport rpc call`: broker (once for each), prefix, ca, username,
 * password-file, certificate, key, mqtt5 ("yes" or "no"), and who we are: key-file, or identity (an
 * agent's state folder or that of `sallyport rpc login`) with zone and device.
 * A secret is given by its file alone, mode 0600. */
int sallyport_rpc_set(sallyport_rpc *rpc, const char *name, const char *value);

/* Reads the files and begins to connect; returns at once. A broker that cannot be reached is no error here. */
int sallyport_rpc_open(sallyport_rpc *rpc, const char *node);

/* Why set or open failed last: "where: found x, want y". Valid until the next of them, never NULL. */
const char *sallyport_rpc_error(const sallyport_rpc *rpc);

/* Ends the calls under way, which return SALLYPORT_RPC_CLOSED in their threads, and returns when the last has returned:
 * a call counts from the first thing that sallyport_rpc_call() or sallyport_rpc_ask() does. Afterwards the handle is
 * gone, so no thread may be about to begin anything with it when this is called: whether it has begun is what only the
 * program can know. NULL is allowed. */
void sallyport_rpc_close(sallyport_rpc *rpc);

enum {
  SALLYPORT_RPC_IDEMPOTENT = 1,         /* twice does no harm: it may ride in the first message */
  SALLYPORT_RPC_FAIL_ON_DISCONNECT = 2, /* end at once when no broker is connected, or the last is lost */
  SALLYPORT_RPC_STORED = 4              /* may lie at the broker until the timeout, days even; ends as ACCEPTED */
};

/* Told of something before the result, in the thread that called and before the call returns. It may call on the same
 * handle, but must not close it. `json` lives until it returns. */
typedef void (*sallyport_rpc_progress)(void *context, const char *json);

/* All zero but `size` is what NULL means. */
typedef struct sallyport_rpc_choices {
  size_t size;         /* sizeof(sallyport_rpc_choices) */
  uint32_t timeout_ms; /* 0: 10,000; at most seven days */
  uint32_t flags;
  const char *call_id; /* NULL: a new one; else that of a call before, which then runs once, whatever was lost:
                          one that is refused now is TIMEOUT, never NOT_RUN, since it may have run before */
  sallyport_rpc_progress on_progress;
  void *context;
} sallyport_rpc_choices;

/* Calls a method and waits for its answer, until the timeout at the latest. `params` is a JSON object or array, or NULL.
 * Never NULL but when memory is out; to be freed. */
sallyport_rpc_answer *sallyport_rpc_call(sallyport_rpc *rpc, const char *method, const char *params,
                                         const sallyport_rpc_choices *choices);
/* What came of a stored call. */
sallyport_rpc_answer *sallyport_rpc_ask(sallyport_rpc *rpc, const char *call_id, uint32_t timeout_ms);

/* INTERNAL for NULL. */
int sallyport_rpc_answer_status(const sallyport_rpc_answer *answer);
/* OK: the result. FAULT and DENIED: what the method said of its error, or "null". Otherwise "null". Never NULL. */
const char *sallyport_rpc_answer_json(const sallyport_rpc_answer *answer);
/* For people; empty when OK. Never NULL. */
const char *sallyport_rpc_answer_message(const sallyport_rpc_answer *answer);
/* FAULT and DENIED: JSON-RPC's code, -32601 where there is no such method. Otherwise 0. */
int32_t sallyport_rpc_answer_code(const sallyport_rpc_answer *answer);
/* The id by which the call may be repeated: 36 characters; empty when nothing was sent. Never NULL. */
const char *sallyport_rpc_answer_call_id(const sallyport_rpc_answer *answer);
/* NULL is allowed. */
void sallyport_rpc_answer_free(sallyport_rpc_answer *answer);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
