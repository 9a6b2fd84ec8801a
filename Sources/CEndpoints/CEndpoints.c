#define _GNU_SOURCE
#include "CEndpoints.h"

#include <sched.h>

_Thread_local void *endpoints_loop_slot;

extern inline long endpoints_recv(int fd, void *p, size_t n);
extern inline long endpoints_send(int fd, const void *p, size_t n);
extern inline int endpoints_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds);

int endpoints_accept(int fd, struct sockaddr_storage *address, socklen_t *length) {
  return (int)endpoints_result(endpoints_system.accept4(fd, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int endpoints_peer_credentials(int fd, struct endpoints_credentials *credentials) {
  struct ucred c;
  socklen_t length = sizeof c;
  if (endpoints_system.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &length)) return -errno;
  *credentials = (struct endpoints_credentials){.pid = c.pid, .uid = c.uid, .gid = c.gid};
  return 0;
}

int endpoints_affinity_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? -errno : CPU_COUNT(&set);
}

void endpoints_name_thread(pthread_t thread, const char *name) { pthread_setname_np(thread, name); }
