#define _GNU_SOURCE
#include "CEndpoints.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

// The calls of each message. The C library's are points at which pthread_cancel(3) may end the thread: two
// locked instructions before and two after, for a loop's thread that nobody cancels. So these go round them,
// except under the sanitizers, which learn from the library's what the kernel has written.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ENDPOINTS_IS_SANITIZED 1
#endif
#endif

#ifdef ENDPOINTS_IS_SANITIZED
static long real_recv(int fd, void *p, size_t n) { return recv(fd, p, n, 0); }
static long real_send(int fd, const void *p, size_t n) { return send(fd, p, n, MSG_NOSIGNAL); }
static int real_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
  return epoll_wait(epoll, events, capacity, milliseconds);
}
#else
static long real_recv(int fd, void *p, size_t n) { return syscall(SYS_recvfrom, fd, p, n, 0, NULL, NULL); }
static long real_send(int fd, const void *p, size_t n) { return syscall(SYS_sendto, fd, p, n, MSG_NOSIGNAL, NULL, 0); }
static int real_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
  return (int)syscall(SYS_epoll_pwait, epoll, events, capacity, milliseconds, NULL, 0);
}
#endif

static int real_ioctl(int fd, unsigned long request, int *value) { return ioctl(fd, request, value); }
static int real_fcntl(int fd, int operation, int value) { return fcntl(fd, operation, value); }
static int real_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }
static int real_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static _Thread_local int signals_are_blocked;

void endpoints_block_signals(void) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF, SIGSYS};
  sigset_t signals;
  sigfillset(&signals);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&signals, faults[i]);
  signals_are_blocked = pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0;
}

// These have no flag against SIGPIPE, as send(2) has. The kernel sends it to the thread that writes, so that thread
// blocks it meanwhile and takes it back. A loop's thread blocks it anyway.
struct held_back {
  sigset_t mask;
  int was_pending;
};
static void hold_back(struct held_back *held, sigset_t *pipe) {
  sigset_t pending;
  sigemptyset(pipe);
  sigaddset(pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, pipe, &held->mask);
  held->was_pending = sigismember(&held->mask, SIGPIPE) && !sigpending(&pending) && sigismember(&pending, SIGPIPE);
}
static void let_go(const struct held_back *held, const sigset_t *pipe) {
  static const struct timespec at_once = {0, 0};
  int code = errno;
  // It comes with EPIPE, and also with a count, if the reader went away half-way.
  if (!held->was_pending) sigtimedwait(pipe, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, &held->mask, NULL);
  errno = code;
}
#define WITHOUT_SIGPIPE(name, parameters, arguments) \
  static long real_##name parameters { \
    if (signals_are_blocked) return name arguments; \
    struct held_back held; \
    sigset_t pipe; \
    hold_back(&held, &pipe); \
    long result = name arguments; \
    let_go(&held, &pipe); \
    return result; \
  }
WITHOUT_SIGPIPE(write, (int fd, const void *p, size_t n), (fd, p, n))
WITHOUT_SIGPIPE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WITHOUT_SIGPIPE(sendfile, (int out, int in, off_t *offset, size_t n), (out, in, offset, n))

struct endpoints_system endpoints_system = {
    .recv = real_recv,
    .send = real_send,
    .recv_flags = recv,
    .send_flags = send,
    .sendmsg = sendmsg,
    .read = read,
    .pread = pread,
    .write = real_write,
    .writev = real_writev,
    .sendfile = real_sendfile,
    .socket = socket,
    .accept4 = accept4,
    .bind = bind,
    .connect = connect,
    .listen = listen,
    .shutdown = shutdown,
    .getsockname = getsockname,
    .getpeername = getpeername,
    .setsockopt = setsockopt,
    .getsockopt = getsockopt,
    .ioctl = real_ioctl,
    .fcntl = real_fcntl,
    .poll = poll,
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = real_epoll_wait,
    .eventfd = eventfd,
    .pipe2 = pipe2,
    .dup2 = dup2,
    .close = close,
    .open = real_open,
    .stat = stat,
    .lstat = lstat,
    .fstat = fstat,
    .flock = flock,
    .rename = rename,
    .symlink = symlink,
    .readlink = readlink,
    .unlink = unlink,
    .chmod = chmod,
    .fchmod = fchmod,
    .fchownat = fchownat,
    .getaddrinfo = getaddrinfo,
    .kill = kill,
    .pidfd_open = real_pidfd_open,
    .waitpid = waitpid,
    .fork = fork,
    .clock_gettime = clock_gettime,
    .posix_spawnp = posix_spawnp,
};
