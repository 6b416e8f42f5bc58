/* Calls the node of node.cc from C.
 *
 *   cc -std=c99 caller.c $(pkg-config --cflags --libs sallyport-rpc) -o caller
 *   ./caller mqtt://127.0.0.1 tank-1 plant-a.key
 */
#include <sallyport_rpc.h>

#include <stdio.h>
#include <string.h>

static void at(void *context, const char *json) {
  printf("%s: at %s\n", (const char *)context, json);
}

/* Prints what became of a call, and keeps its id where `id` is given. */
static int call(sallyport_rpc *rpc, const char *method, const char *params, sallyport_rpc_choices *choices, char *id) {
  char name[64];
  sallyport_rpc_answer *answer;
  int status;
  strncpy(name, method, sizeof name - 1);
  name[sizeof name - 1] = '\0';
  choices->context = name;
  answer = sallyport_rpc_call(rpc, method, params, choices);
  status = sallyport_rpc_answer_status(answer);
  if (status == SALLYPORT_RPC_OK) {
    printf("%s: %s\n", method, sallyport_rpc_answer_json(answer));
  } else {
    printf("%s: status %d, code %ld: %s (call %s)\n", method, status, (long)sallyport_rpc_answer_code(answer),
           sallyport_rpc_answer_message(answer), sallyport_rpc_answer_call_id(answer));
  }
  if (id != NULL) strcpy(id, sallyport_rpc_answer_call_id(answer));
  sallyport_rpc_answer_free(answer);
  return status;
}

int main(int argc, char **argv) {
  sallyport_rpc *rpc;
  sallyport_rpc_choices choices;
  char id[37];
  int status = 1;
  if (argc != 4) {
    fprintf(stderr, "want: caller BROKER NODE KEY_FILE\n");
    return 2;
  }
  if (sallyport_rpc_abi() != SALLYPORT_RPC_ABI) return 3;
  rpc = sallyport_rpc_new();
  if (rpc == NULL) return 3;
  memset(&choices, 0, sizeof choices);
  choices.size = sizeof choices;
  choices.timeout_ms = 20000;
  choices.on_progress = at;
  if (sallyport_rpc_set(rpc, "broker", argv[1]) != SALLYPORT_RPC_OK || sallyport_rpc_set(rpc, "key-file", argv[3]) != SALLYPORT_RPC_OK ||
      sallyport_rpc_open(rpc, argv[2]) != SALLYPORT_RPC_OK) {
    fprintf(stderr, "caller: %s\n", sallyport_rpc_error(rpc));
  } else {
    status = call(rpc, "tank.fill", "{\"litres\": 2}", &choices, id);
    /* The same call: it has run, and is answered the same. */
    choices.call_id = id;
    if (status == SALLYPORT_RPC_OK) status = call(rpc, "tank.fill", "{\"litres\": 2}", &choices, NULL);
    choices.call_id = NULL;
    choices.flags = SALLYPORT_RPC_IDEMPOTENT;
    if (status == SALLYPORT_RPC_OK) status = call(rpc, "tank.level", NULL, &choices, NULL);
  }
  sallyport_rpc_close(rpc);
  return status;
}
