#define _GNU_SOURCE
#include "CEndpoints.h"

#include <sched.h>
#include <sys/syscall.h>

_Thread_local void *endpoints_loop_slot;

int endpoints_accept(int fd, struct sockaddr_storage *address, socklen_t *length) {
  return (int)endpoints_result(accept4(fd, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// The calls of each message. The C library's are points at which pthread_cancel(3) may end the thread: two
// locked instructions before and two after, for a loop's thread that nobody cancels. So these go round them,
// except under the sanitizers, which learn from the library's what the kernel has written.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ENDPOINTS_IS_SANITIZED 1
#endif
#endif

#ifdef ENDPOINTS_IS_SANITIZED
long endpoints_recv(int fd, void *p, size_t n) { return endpoints_result(recv(fd, p, n, 0)); }
long endpoints_send(int fd, const void *p, size_t n) { return endpoints_result(send(fd, p, n, MSG_NOSIGNAL)); }
int endpoints_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
  return (int)endpoints_result(epoll_wait(epoll, events, capacity, milliseconds));
}
#else
long endpoints_recv(int fd, void *p, size_t n) {
  return endpoints_result(syscall(SYS_recvfrom, fd, p, n, 0, NULL, NULL));
}
long endpoints_send(int fd, const void *p, size_t n) {
  return endpoints_result(syscall(SYS_sendto, fd, p, n, MSG_NOSIGNAL, NULL, 0));
}
int endpoints_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
  return (int)endpoints_result(syscall(SYS_epoll_pwait, epoll, events, capacity, milliseconds, NULL, 0));
}
#endif

int endpoints_peer_credentials(int fd, struct endpoints_credentials *credentials) {
  struct ucred c;
  socklen_t length = sizeof c;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &length)) return -errno;
  *credentials = (struct endpoints_credentials){.pid = c.pid, .uid = c.uid, .gid = c.gid};
  return 0;
}

int endpoints_affinity_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? -errno : CPU_COUNT(&set);
}

void endpoints_name_thread(pthread_t thread, const char *name) { pthread_setname_np(thread, name); }
