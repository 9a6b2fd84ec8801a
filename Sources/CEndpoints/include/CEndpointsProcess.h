// Child processes. The rules of CEndpoints.h hold here too.
#pragma once
#include <sys/types.h>

// How a child is started. Descriptors are 3 or more; `environment` NULL = ours; `directory` NULL = ours;
// `descriptor_limit` is its soft limit on descriptors (RLIMIT_NOFILE), ~0 = ours.
struct endpoints_spawn {
  const char *program;
  char *const *arguments, *const *environment;
  const char *directory;
  int input, output, error;
  uint64_t descriptor_limit;
};
// Starts a program in a process group of its own, with no descriptor but 0, 1 and 2, and no signal blocked or
// ignored; answers its pid, or -errno, that of its exec too.
int endpoints_spawn_start(const struct endpoints_spawn *child);
// For a child before its exec: all descriptors from `first` on are closed by it, and no signal is blocked or ignored.
void endpoints_close_on_exec_from(int first);
void endpoints_reset_signals(void);
// Forks. `become` runs in the child, where other threads of ours may have held any lock: it makes system calls and
// nothing else. It execs, or writes an errno to `report`. Answers the pid, or -errno, that of the child too.
int endpoints_fork_and_report(void (*become)(const void *child, int report), const void *child);
// A signal's name without SIG; NULL if there is none (glibc 2.32).
const char *endpoints_signal_name(int number);
// A pipe, close-on-exec, with both ends 3 or more; the first is read from.
int endpoints_pipe(int ends[2]);
// Becomes readable when the process ends (pidfd_open(2)).
int endpoints_pidfd_open(int pid);
// Takes the child's status: 0 = it still runs, 1 = it has ended, or -errno. `*signal` is 0 if it exited.
int endpoints_reap(int pid, int waits, int *code, int *signal);
// The number that names this process and never another one (pidfs, Linux 6.9); 0 where there is none.
uint64_t endpoints_process_identity(void);
static inline int endpoints_kill_group(int pid, int number) { return (int)endpoints_result(endpoints_system.kill(-pid, number)); }

// The environment: NULL-terminated, and not to be changed meanwhile.
static inline char **endpoints_environment(void) {
  extern char **environ;
  return environ;
}
// How a successor is started: in our process group, with 0, 1 and 2 as they are and `descriptors` as 3 and up. The child
// writes its own number, in decimal, to `pid_text`, which is a part of `environment`.
struct endpoints_successor {
  const char *program;
  char *const *arguments, *const *environment;
  char *pid_text;
  const int *descriptors;
  int count;
};
// Answers its pid, or -errno, that of its exec too.
int endpoints_successor_start(const struct endpoints_successor *successor);
