// fork(2) and execve(2), since posix_spawn cannot put the child's number into its environment, as sd_listen_fds(3) asks.
// Other threads may hold any lock at the fork: the child makes system calls and nothing else.
#define _GNU_SOURCE
#include "CEndpoints.h"

#include <sys/syscall.h>
#include <sys/wait.h>

// What of ours was not made close-on-exec: by foreign code. Best effort (Linux 5.11).
static void close_on_exec_from(int first) {
#ifdef SYS_close_range
  syscall(SYS_close_range, first, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
#else
  (void)first;
#endif
}

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
  close_on_exec_from(first_free);
  return 0;
}

static void become(const struct endpoints_successor *s, int report) {
  int failure = arrange(s, &report);
  if (!failure) {
    struct sigaction usual = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 32; number++) sigaction(number, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    write_decimal(s->pid_text, (int)getpid());
    execve(s->program, s->arguments, s->environment);
    failure = errno;
  }
  if (write(report, &failure, sizeof failure)) {}
  _exit(127);
}

int endpoints_successor_start(const struct endpoints_successor *successor) {
  if (successor->count < 0 || successor->count > 256) return -EINVAL;
  int ends[2];
  if (endpoints_system.pipe2(ends, O_CLOEXEC)) return -errno;
  // No handler of ours may run in the child.
  sigset_t all, ours;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &ours);
  pid_t pid = endpoints_system.fork();
  if (pid == 0) become(successor, ends[1]);
  int failure = pid < 0 ? errno : 0;
  pthread_sigmask(SIG_SETMASK, &ours, NULL);
  endpoints_system.close(ends[1]);
  ssize_t got = 0;
  if (!failure) {
    // Ends when the exec closes the other end.
    do got = endpoints_system.read(ends[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got != sizeof failure) failure = 0;
    if (failure) endpoints_system.waitpid(pid, NULL, 0);
  }
  endpoints_system.close(ends[0]);
  return failure ? -failure : pid;
}
