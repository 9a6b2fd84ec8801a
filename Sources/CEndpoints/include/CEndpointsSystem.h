// The one table of system calls: everything below that touches descriptors, names, processes or time goes through
// `endpoints_system`. Production never changes it, and a call through it costs what the call through the linker's table
// would. Tests replace entries, to fail the n-th call, to cut one short, or to put a simulated network below the very
// code that production runs.
//
// An entry has the C library's convention: its result, or -1 and errno. What is variadic there has its usual three
// arguments here.
#pragma once
#include <dirent.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

// call(result, name, (parameters), (arguments))

// Those that move `n` bytes, or fewer.
#define ENDPOINTS_SYSTEM_TRANSFERS(call) \
  call(long, recv, (int fd, void *p, size_t n), (fd, p, n)) \
  call(long, send, (int fd, const void *p, size_t n), (fd, p, n)) \
  call(long, recv_flags, (int fd, void *p, size_t n, int flags), (fd, p, n, flags)) \
  call(long, send_flags, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags)) \
  call(long, read, (int fd, void *p, size_t n), (fd, p, n)) \
  call(long, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at)) \
  call(long, write, (int fd, const void *p, size_t n), (fd, p, n)) \
  call(long, sendfile, (int out, int in, off_t *offset, size_t n), (out, in, offset, n))

// Those that answer -1 when they fail, and have then done nothing.
#define ENDPOINTS_SYSTEM_ACTIONS(call) \
  call(long, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags)) \
  call(long, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count)) \
  call(int, socket, (int domain, int type, int protocol), (domain, type, protocol)) \
  call(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags), \
       (fd, address, length, flags)) \
  call(int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length)) \
  call(int, connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length)) \
  call(int, listen, (int fd, int backlog), (fd, backlog)) \
  call(int, shutdown, (int fd, int how), (fd, how)) \
  call(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length)) \
  call(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length)) \
  call(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length), \
       (fd, level, name, value, length)) \
  call(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length), \
       (fd, level, name, value, length)) \
  call(int, ioctl, (int fd, unsigned long request, int *value), (fd, request, value)) \
  call(int, fcntl, (int fd, int operation, int value), (fd, operation, value)) \
  call(int, poll, (struct pollfd *list, nfds_t count, int milliseconds), (list, count, milliseconds)) \
  call(int, epoll_create1, (int flags), (flags)) \
  call(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), \
       (epoll, operation, fd, event)) \
  call(int, epoll_wait, (int epoll, struct epoll_event *events, int capacity, int milliseconds), \
       (epoll, events, capacity, milliseconds)) \
  call(int, eventfd, (unsigned start, int flags), (start, flags)) \
  call(int, pipe2, (int *ends, int flags), (ends, flags)) \
  call(int, dup2, (int from, int to), (from, to)) \
  call(int, open, (const char *path, int flags, unsigned mode), (path, flags, mode)) \
  call(int, stat, (const char *path, struct stat *status), (path, status)) \
  call(int, lstat, (const char *path, struct stat *status), (path, status)) \
  call(int, fstat, (int fd, struct stat *status), (fd, status)) \
  call(int, flock, (int fd, int operation), (fd, operation)) \
  call(int, rename, (const char *from, const char *to), (from, to)) \
  call(int, symlink, (const char *text, const char *path), (text, path)) \
  call(long, readlink, (const char *path, char *text, size_t capacity), (path, text, capacity)) \
  call(int, unlink, (const char *path), (path)) \
  call(int, chmod, (const char *path, unsigned mode), (path, mode)) \
  call(int, fchmod, (int fd, unsigned mode), (fd, mode)) \
  call(int, fchownat, (int fd, const char *path, uid_t owner, gid_t group, int flags), (fd, path, owner, group, flags)) \
  call(int, kill, (int pid, int number), (pid, number)) \
  call(int, pidfd_open, (int pid), (pid)) \
  call(int, waitpid, (int pid, int *status, int options), (pid, status, options))

// Those that are different: close(2) always gives the descriptor back, getaddrinfo(3) answers a code, and time does not fail.
#define ENDPOINTS_SYSTEM_OTHERS(call) \
  call(int, close, (int fd), (fd)) \
  call(int, getaddrinfo, (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list), \
       (host, service, hints, list)) \
  call(int, fork, (void), ()) \
  call(int, clock_gettime, (clockid_t clock, struct timespec *time), (clock, time))

#define ENDPOINTS_SYSTEM_CALLS(call) \
  ENDPOINTS_SYSTEM_TRANSFERS(call) ENDPOINTS_SYSTEM_ACTIONS(call) ENDPOINTS_SYSTEM_OTHERS(call)

#define ENDPOINTS_SYSTEM_ENTRY(result, name, parameters, arguments) result(*name) parameters;
struct endpoints_system {
  ENDPOINTS_SYSTEM_CALLS(ENDPOINTS_SYSTEM_ENTRY)
  // Answers an errno, as posix_spawn(3) does.
  int (*posix_spawnp)(pid_t *pid, const char *program, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]);
};
#undef ENDPOINTS_SYSTEM_ENTRY

extern struct endpoints_system endpoints_system;
