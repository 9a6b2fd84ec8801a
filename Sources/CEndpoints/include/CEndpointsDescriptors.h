// Descriptors that others share, such as standard input: their open file description's flags are not ours to change, so
// each call itself says that it must not block. The rules of CEndpoints.h hold here too.
#pragma once
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

static inline long endpoints_recv_now(int fd, void *p, size_t n) {
  return endpoints_result(recv(fd, p, n, MSG_DONTWAIT));
}
static inline long endpoints_send_now(int fd, const void *p, size_t n) {
  return endpoints_result(send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}
// Which of the events hold at this moment; 0 = none, or -errno.
static inline int endpoints_poll_now(int fd, short events) {
  struct pollfd p = {.fd = fd, .events = events};
  int n = poll(&p, 1, 0);
  return n < 0 ? -errno : n == 0 ? 0 : p.revents;
}
// Opens what a descriptor refers to once more, with flags of its own (proc(5), /proc/pid/fd).
static inline int endpoints_reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return (int)endpoints_result(open(path, flags | O_CLOEXEC | O_NOCTTY));
}
// Puts what `from` refers to in place of `to`.
static inline int endpoints_replace(int from, int to) { return (int)endpoints_result(dup2(from, to)); }
static inline int endpoints_is_pipe(uint32_t mode) { return S_ISFIFO(mode); }
static inline int endpoints_is_character_device(uint32_t mode) { return S_ISCHR(mode); }
