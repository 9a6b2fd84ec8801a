// What Swift cannot import: thread-locals, errno beside a result, packed structures, variadic calls and macros.
// No policy: a function here makes one system call, or reads one field.
//
// A system call answers its result, or -errno.
//
// This header must not define _GNU_SOURCE: the modules of Glibc and Dispatch are built without it, and
// definitions that differ between modules are errors. What needs it is in CEndpoints.c.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "CEndpointsSystem.h"

// MARK: the current loop and the current task

extern _Thread_local void *endpoints_loop_slot;
static inline void *endpoints_current_loop(void) { return endpoints_loop_slot; }
static inline void endpoints_set_current_loop(void *loop) { endpoints_loop_slot = loop; }

// The Swift runtime's entry points: a few instructions, where withUnsafeCurrentTask is a thousand.
__attribute__((swiftcall)) extern void *swift_task_getCurrent(void);
__attribute__((swiftcall)) extern _Bool swift_task_isCancelled(void *task);
static inline void *endpoints_current_task(void) { return swift_task_getCurrent(); }
static inline _Bool endpoints_task_is_cancelled(void *task) { return task != 0 && swift_task_isCancelled(task); }

// MARK: time

static inline uint64_t endpoints_now(void) {
  struct timespec t;
  endpoints_system.clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
// A few milliseconds behind, and a tenth of the price.
static inline uint64_t endpoints_coarse_now(void) {
  struct timespec t;
  endpoints_system.clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// MARK: system calls that answer -errno

static inline long endpoints_result(long r) { return r < 0 ? -errno : r; }
inline long endpoints_recv(int fd, void *p, size_t n) { return endpoints_result(endpoints_system.recv(fd, p, n)); }
inline long endpoints_send(int fd, const void *p, size_t n) {
  return endpoints_result(endpoints_system.send(fd, p, n));
}
static inline long endpoints_peek(int fd, void *p, size_t n) {
  return endpoints_result(endpoints_system.recv_flags(fd, p, n, MSG_PEEK | MSG_DONTWAIT));
}
static inline long endpoints_sendv(int fd, const struct iovec *parts, size_t count) {
  struct msghdr m = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
  return endpoints_result(endpoints_system.sendmsg(fd, &m, MSG_NOSIGNAL));
}
static inline long endpoints_read(int fd, void *p, size_t n) { return endpoints_result(endpoints_system.read(fd, p, n)); }
static inline long endpoints_pread(int fd, void *p, size_t n, off_t at) { return endpoints_result(endpoints_system.pread(fd, p, n, at)); }
static inline long endpoints_write(int fd, const void *p, size_t n) { return endpoints_result(endpoints_system.write(fd, p, n)); }
static inline long endpoints_writev(int fd, const struct iovec *parts, int count) {
  return endpoints_result(endpoints_system.writev(fd, parts, count));
}
static inline long endpoints_sendfile(int out, int in, off_t *offset, size_t n) {
  return endpoints_result(endpoints_system.sendfile(out, in, offset, n));
}
static inline int endpoints_socket(int domain, int type, int protocol) {
  return (int)endpoints_result(endpoints_system.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}
int endpoints_accept(int fd, struct sockaddr_storage *address, socklen_t *length);
static inline int endpoints_bind(int fd, const struct sockaddr_storage *address, socklen_t length) {
  return (int)endpoints_result(endpoints_system.bind(fd, (const struct sockaddr *)address, length));
}
static inline int endpoints_connect(int fd, const struct sockaddr_storage *address, socklen_t length) {
  return (int)endpoints_result(endpoints_system.connect(fd, (const struct sockaddr *)address, length));
}
static inline int endpoints_listen(int fd, int backlog) { return (int)endpoints_result(endpoints_system.listen(fd, backlog)); }
static inline int endpoints_shutdown(int fd, int how) { return (int)endpoints_result(endpoints_system.shutdown(fd, how)); }
static inline int endpoints_getsockname(int fd, struct sockaddr_storage *address, socklen_t *length) {
  return (int)endpoints_result(endpoints_system.getsockname(fd, (struct sockaddr *)address, length));
}
static inline int endpoints_getpeername(int fd, struct sockaddr_storage *address, socklen_t *length) {
  return (int)endpoints_result(endpoints_system.getpeername(fd, (struct sockaddr *)address, length));
}
static inline int endpoints_set_option(int fd, int level, int name, int value) {
  return (int)endpoints_result(endpoints_system.setsockopt(fd, level, name, &value, sizeof value));
}
// The option's value, or -errno; for options whose values are never negative.
static inline int endpoints_get_option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return endpoints_system.getsockopt(fd, level, name, &value, &length) ? -errno : value;
}
static inline int endpoints_set_linger(int fd, int on, int seconds) {
  struct linger l = {.l_onoff = on, .l_linger = seconds};
  return (int)endpoints_result(endpoints_system.setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
}
struct endpoints_credentials {
  int32_t pid;
  uint32_t uid, gid;
};
int endpoints_peer_credentials(int fd, struct endpoints_credentials *credentials);
// What was written and waits in the kernel for room at the peer (linux/sockios.h): over TCP what was not sent; a
// UNIX socket has one number, for what was not read.
static inline int endpoints_unsent(int fd) {
  int n = 0;
  return endpoints_system.ioctl(fd, SIOCOUTQNSD, &n) && endpoints_system.ioctl(fd, SIOCOUTQ, &n) ? -errno : n;
}
// What was written and the peer has not acknowledged, its FIN included; TCP only (tcp(7), SIOCOUTQ).
static inline int endpoints_unacknowledged(int fd) {
  int n = 0;
  return endpoints_system.ioctl(fd, SIOCOUTQ, &n) ? -errno : n;
}
// About how many bytes a socket's send buffer still takes.
static inline long endpoints_send_room(int fd) {
  uint32_t m[9] = {0};  // SK_MEMINFO_…: 2 is held by packets, 3 the buffer's size, 5 held by queued bytes
  socklen_t n = sizeof m;
  if (endpoints_system.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, m, &n)) return -errno;
  uint32_t used = m[2] > m[5] ? m[2] : m[5];
  return m[3] > used ? (long)(m[3] - used) : 0;
}
// Bytes received and not yet read.
static inline int endpoints_unread(int fd) {
  int n = 0;
  return endpoints_system.ioctl(fd, FIONREAD, &n) ? -errno : n;
}
static inline int endpoints_open(const char *path, int flags, unsigned mode) {
  return (int)endpoints_result(endpoints_system.open(path, flags | O_CLOEXEC, mode));
}
static inline int endpoints_set_nonblocking(int fd) {
  int flags = endpoints_system.fcntl(fd, F_GETFL, 0);
  return flags < 0 ? -errno : (int)endpoints_result(endpoints_system.fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}
static inline int endpoints_set_close_on_exec(int fd) { return (int)endpoints_result(endpoints_system.fcntl(fd, F_SETFD, FD_CLOEXEC)); }
static inline int endpoints_duplicate(int fd) { return (int)endpoints_result(endpoints_system.fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
static inline int endpoints_close(int fd) { return (int)endpoints_result(endpoints_system.close(fd)); }
static inline int endpoints_eventfd(void) { return (int)endpoints_result(endpoints_system.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

// MARK: the process

// Cores that the affinity mask allows, or -errno.
int endpoints_affinity_count(void);
void endpoints_name_thread(pthread_t thread, const char *name);
// Blocks all signals on this thread, for as long as it lives, except those that faults raise.
void endpoints_block_signals(void);

// MARK: epoll

static inline int endpoints_epoll_create(void) { return (int)endpoints_result(endpoints_system.epoll_create1(EPOLL_CLOEXEC)); }
static inline int endpoints_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event e = {.events = events, .data.u64 = data};
  return (int)endpoints_result(endpoints_system.epoll_ctl(epoll, operation, fd, &e));
}
inline int endpoints_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
  return (int)endpoints_result(endpoints_system.epoll_wait(epoll, events, capacity, milliseconds));
}
static inline uint64_t endpoints_event_data(const struct epoll_event *events, int i) { return events[i].data.u64; }
static inline uint32_t endpoints_event_mask(const struct epoll_event *events, int i) { return events[i].events; }
static const uint32_t ENDPOINTS_IN = EPOLLIN, ENDPOINTS_PRI = EPOLLPRI, ENDPOINTS_OUT = EPOLLOUT,
                      ENDPOINTS_RDHUP = EPOLLRDHUP, ENDPOINTS_HUP = EPOLLHUP, ENDPOINTS_ERR = EPOLLERR, ENDPOINTS_EDGE = EPOLLET;

#include "CEndpointsSockets.h"
#include "CEndpointsDescriptors.h"
#include "CEndpointsProcess.h"
