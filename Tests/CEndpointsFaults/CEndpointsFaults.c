#include "CEndpointsFaults.h"

#include <errno.h>
#include <stdatomic.h>

#include "CEndpoints.h"

static struct endpoints_system real;

#define NUMBER(result, name, parameters, arguments) call_##name,
enum { ENDPOINTS_SYSTEM_CALLS(NUMBER) call_posix_spawnp, call_count };
#define NAME(result, name, parameters, arguments) #name,
static const char *const names[] = {ENDPOINTS_SYSTEM_CALLS(NAME) "posix_spawnp"};

static _Atomic int64_t counters[call_count], total;
static _Atomic int64_t chosen_number;
static _Atomic int chosen_call, chosen_kind, chosen_code, happened;

// Counts a call; answers whether it is the chosen one.
static int is_chosen(int call) {
  atomic_fetch_add(&total, 1);
  int64_t number = atomic_fetch_add(&counters[call], 1) + 1;
  if (call != chosen_call || number != chosen_number) return 0;
  atomic_store(&happened, 1);
  return 1;
}

// Answers whether the call fails, or makes it short.
static int fails(int call, size_t *n) {
  if (!is_chosen(call)) return 0;
  if (chosen_kind == ENDPOINTS_FAULT_SHORT) {
    if (*n > 1) *n = 1;
    return 0;
  }
  errno = chosen_code;
  return 1;
}

#define TRANSFER(result, name, parameters, arguments) \
  static result fault_##name parameters { return fails(call_##name, &n) ? -1 : real.name arguments; }
ENDPOINTS_SYSTEM_TRANSFERS(TRANSFER)

#define ACTION(result, name, parameters, arguments) \
  static result fault_##name parameters { \
    if (!is_chosen(call_##name)) return real.name arguments; \
    errno = chosen_code; \
    return -1; \
  }
ENDPOINTS_SYSTEM_ACTIONS(ACTION)

static int fault_close(int fd) {
  int chosen = is_chosen(call_close);
  int result = real.close(fd);
  if (!chosen) return result;
  errno = chosen_code;
  return -1;
}

static int fault_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
  if (!is_chosen(call_getaddrinfo)) return real.getaddrinfo(host, service, hints, list);
  errno = EIO;
  return chosen_code;
}

static int fault_fork(void) {
  if (!is_chosen(call_fork)) return real.fork();
  errno = chosen_code;
  return -1;
}

static int fault_clock_gettime(clockid_t clock, struct timespec *time) { return real.clock_gettime(clock, time); }

static int fault_posix_spawnp(pid_t *pid, const char *program, const posix_spawn_file_actions_t *actions,
                              const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
  if (is_chosen(call_posix_spawnp)) return chosen_code;
  return real.posix_spawnp(pid, program, actions, attributes, arguments, environment);
}

int endpoints_fault_call_count(void) { return call_count; }
const char *endpoints_fault_call_name(int call) { return names[call]; }

void endpoints_fault_install(void) {
  real = endpoints_system;
  chosen_call = -1;
#define INSTALL(result, name, parameters, arguments) endpoints_system.name = fault_##name;
  ENDPOINTS_SYSTEM_CALLS(INSTALL)
  endpoints_system.posix_spawnp = fault_posix_spawnp;
}

void endpoints_fault_begin(int call, int64_t number, int kind, int code) {
  atomic_store(&chosen_number, 0);
  for (int i = 0; i < call_count; i++) atomic_store(&counters[i], 0);
  atomic_store(&total, 0);
  atomic_store(&happened, 0);
  atomic_store(&chosen_kind, kind);
  atomic_store(&chosen_code, code);
  atomic_store(&chosen_call, call);
  atomic_store(&chosen_number, number);
}

int64_t endpoints_fault_calls(int call) { return atomic_load(&counters[call]); }
int64_t endpoints_fault_total(void) { return atomic_load(&total); }
int endpoints_fault_happened(void) { return atomic_load(&happened); }
