// fork(2) and execve(2), since posix_spawn cannot put the child's number into its environment, as sd_listen_fds(3) asks.
#define _GNU_SOURCE
#include "CEndpoints.h"

static void write_decimal(char *text, int number) {
  int length = 0;
  for (int n = number; n; n /= 10) length++;
  text[length] = 0;
  for (int n = number; n; n /= 10) text[--length] = (char)('0' + n % 10);
}

// Moves the descriptors to 3 and up, out of each other's way first; 0 or an errno.
static int arrange(const struct endpoints_successor *s, int *report) {
  int first_free = 3 + s->count;
  int moved = fcntl(*report, F_DUPFD_CLOEXEC, first_free);
  if (moved < 0) return errno;
  *report = moved;
  int copies[256];
  for (int i = 0; i < s->count; i++) {
    copies[i] = fcntl(s->descriptors[i], F_DUPFD_CLOEXEC, first_free);
    if (copies[i] < 0) return errno;
  }
  for (int i = 0; i < s->count; i++)
    if (dup2(copies[i], 3 + i) < 0) return errno;
  endpoints_close_on_exec_from(first_free);
  return 0;
}

static void become(const void *child, int report) {
  const struct endpoints_successor *s = child;
  int failure = arrange(s, &report);
  if (!failure) {
    endpoints_reset_signals();
    write_decimal(s->pid_text, (int)getpid());
    execve(s->program, s->arguments, s->environment);
    failure = errno;
  }
  if (write(report, &failure, sizeof failure)) {}
}

int endpoints_successor_start(const struct endpoints_successor *successor) {
  if (successor->count < 0 || successor->count > 256) return -EINVAL;
  return endpoints_fork_and_report(become, successor);
}
