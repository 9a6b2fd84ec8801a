// Descriptors that others share, such as standard input: their open file description's flags are not ours to change, so
// each call itself says that it must not block. The rules of CEndpoints.h hold here too.
#pragma once
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static inline long endpoints_recv_now(int fd, void *p, size_t n) {
  return endpoints_result(endpoints_system.recv_flags(fd, p, n, MSG_DONTWAIT));
}
static inline long endpoints_send_now(int fd, const void *p, size_t n) {
  return endpoints_result(endpoints_system.send_flags(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}
// Which of the events hold at this moment; 0 = none, or -errno.
static inline int endpoints_poll_now(int fd, short events) {
  struct pollfd p = {.fd = fd, .events = events};
  int n = endpoints_system.poll(&p, 1, 0);
  return n < 0 ? -errno : n == 0 ? 0 : p.revents;
}
// Opens what a descriptor refers to once more, with flags of its own (proc(5), /proc/pid/fd).
static inline int endpoints_reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return (int)endpoints_result(endpoints_system.open(path, flags | O_CLOEXEC | O_NOCTTY, 0));
}
// Puts what `from` refers to in place of `to`.
static inline int endpoints_replace(int from, int to) { return (int)endpoints_result(endpoints_system.dup2(from, to)); }
static inline int endpoints_is_pipe(uint32_t mode) { return S_ISFIFO(mode); }
static inline int endpoints_is_character_device(uint32_t mode) { return S_ISCHR(mode); }
// Sends a datagram with copies of descriptors (SCM_RIGHTS of unix(7)), at most 253.
static inline long endpoints_send_descriptors(int fd, const void *p, size_t n, const int *descriptors, int count) {
  union {
    char bytes[CMSG_SPACE(253 * sizeof(int))];
    struct cmsghdr header;
  } control;
  struct iovec part = {.iov_base = (void *)p, .iov_len = n};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
  if (count < 0 || count > 253) return -EINVAL;
  if (count > 0) {
    size_t size = (size_t)count * sizeof(int);
    memset(&control, 0, sizeof control);
    m.msg_control = control.bytes;
    m.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&m);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  return endpoints_result(endpoints_system.sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL));
}
