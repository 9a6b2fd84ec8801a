#define _GNU_SOURCE
#include "CEndpoints.h"

const char *endpoints_errno_name(int code) { return strerrorname_np(code); }
const char *endpoints_errno_text(int code) { return strerrordesc_np(code); }

int endpoints_start_thread(void *(*body)(void *), void *argument, size_t stack) {
  pthread_attr_t attributes;
  int failure = pthread_attr_init(&attributes);
  if (failure) return -failure;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, stack);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  failure = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return -failure;
}

int endpoints_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t nanoseconds) {
  struct timespec t;
  endpoints_system.clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t end = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec + nanoseconds;
  t.tv_sec = (time_t)(end / 1000000000ull);
  t.tv_nsec = (long)(end % 1000000000ull);
  return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &t) == ETIMEDOUT;
}

int endpoints_open_entry(const char *path) { return (int)endpoints_result(endpoints_system.open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0)); }
