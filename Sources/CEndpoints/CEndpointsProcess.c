#define _GNU_SOURCE
#include "CEndpoints.h"

#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

void endpoints_close_on_exec_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) == 0) return;
#endif
  // Before Linux 5.11.
  struct rlimit limit;
  int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
  for (int fd = first; fd < end; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void endpoints_reset_signals(void) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

int endpoints_fork_and_report(void (*become)(const void *child, int report), const void *child) {
  int ends[2];
  int result = endpoints_pipe(ends);
  if (result) return result;
  // No handler of ours may run in the child.
  sigset_t all, ours;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &ours);
  pid_t pid = endpoints_system.fork();
  if (pid == 0) {
    become(child, ends[1]);
    _exit(127);
  }
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

static int try_exec(const struct endpoints_spawn *child) {
  if (setpgid(0, 0)) return errno;
  if (dup2(child->input, 0) < 0 || dup2(child->output, 1) < 0 || dup2(child->error, 2) < 0) return errno;
  endpoints_close_on_exec_from(3);
  if (child->directory && chdir(child->directory)) return errno;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return errno;
  if (child->descriptor_limit < limit.rlim_max) limit.rlim_cur = child->descriptor_limit;
  if (setrlimit(RLIMIT_NOFILE, &limit)) return errno;
  endpoints_reset_signals();
  execvpe(child->program, child->arguments, child->environment ? child->environment : environ);
  return errno;
}

static void become_limited(const void *child, int report) {
  int failure = try_exec(child);
  if (write(report, &failure, sizeof failure)) {}
}

static int spawn(const struct endpoints_spawn *child, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int failure = posix_spawn_file_actions_adddup2(actions, child->input, 0);
  if (!failure) failure = posix_spawn_file_actions_adddup2(actions, child->output, 1);
  if (!failure) failure = posix_spawn_file_actions_adddup2(actions, child->error, 2);
  if (!failure) failure = posix_spawn_file_actions_addclosefrom_np(actions, 3);
  if (!failure && child->directory) failure = posix_spawn_file_actions_addchdir_np(actions, child->directory);
  if (!failure) failure = posix_spawnattr_setsigmask(attributes, &none);
  if (!failure) failure = posix_spawnattr_setsigdefault(attributes, &all);
  if (!failure) failure = posix_spawnattr_setpgroup(attributes, 0);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
  if (!failure) failure = posix_spawnattr_setflags(attributes, flags);
  pid_t pid = 0;
  char *const *environment = child->environment ? child->environment : environ;
  if (!failure) failure = endpoints_system.posix_spawnp(&pid, child->program, actions, attributes, child->arguments, environment);
  return failure ? -failure : pid;
}

int endpoints_spawn_start(const struct endpoints_spawn *child) {
  // posix_spawn cannot set limits, and lowering ours for the moment would have other threads run out of descriptors.
  if (child->descriptor_limit != ~0ull) return endpoints_fork_and_report(become_limited, child);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int failure = posix_spawn_file_actions_init(&actions);
  if (failure) return -failure;
  failure = posix_spawnattr_init(&attributes);
  int result = failure ? -failure : spawn(child, &actions, &attributes);
  if (!failure) posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return result;
}

int endpoints_pipe(int ends[2]) {
  int made[2];
  if (endpoints_system.pipe2(made, O_CLOEXEC)) return -errno;
  int result = 0;
  for (int i = 0; i < 2; i++) {
    ends[i] = made[i];
    if (made[i] > 2) continue;
    ends[i] = endpoints_system.fcntl(made[i], F_DUPFD_CLOEXEC, 3);
    if (ends[i] < 0) result = -errno;
    endpoints_system.close(made[i]);
  }
  if (result)
    for (int i = 0; i < 2; i++)
      if (ends[i] >= 0) endpoints_system.close(ends[i]);
  return result;
}

int endpoints_pidfd_open(int pid) { return (int)endpoints_result(endpoints_system.pidfd_open(pid)); }

int endpoints_reap(int pid, int waits, int *code, int *signal) {
  int status = 0;
  pid_t result;
  do result = endpoints_system.waitpid(pid, &status, waits ? 0 : WNOHANG);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (result == 0) return 0;
  *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  *code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  return 1;
}

const char *endpoints_signal_name(int number) { return sigabbrev_np(number); }

uint64_t endpoints_process_identity(void) {
  int fd = endpoints_pidfd_open(getpid());
  if (fd < 0) return 0;
  struct statfs fs;
  struct stat s;
  // Before pidfs all pidfds shared one inode.
  int known = fstatfs(fd, &fs) == 0 && fs.f_type == 0x50494446 && endpoints_system.fstat(fd, &s) == 0;
  endpoints_system.close(fd);
  return known ? s.st_ino : 0;
}
