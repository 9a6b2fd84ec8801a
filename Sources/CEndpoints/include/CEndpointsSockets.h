// Socket addresses, options with more than one word, and files: what addresses, look-ups and UNIX
// sockets need beside CEndpoints.h, whose rules hold here too.
#pragma once
#include <arpa/inet.h>
#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
static const int ENDPOINTS_MPTCP = IPPROTO_MPTCP;
static const int ENDPOINTS_BIND_ADDRESS_NO_PORT = IP_BIND_ADDRESS_NO_PORT;
static const int ENDPOINTS_STREAM = SOCK_STREAM, ENDPOINTS_DATAGRAM = SOCK_DGRAM;

// MARK: addresses, in host byte order

static inline socklen_t endpoints_ipv4_make(struct sockaddr_storage *s, uint32_t address, uint16_t port) {
  struct sockaddr_in *a = (struct sockaddr_in *)s;
  memset(a, 0, sizeof *a);
  a->sin_family = AF_INET;
  a->sin_port = htons(port);
  a->sin_addr.s_addr = htonl(address);
  return sizeof *a;
}
static inline uint32_t endpoints_ipv4_address(const struct sockaddr_storage *s) {
  return ntohl(((const struct sockaddr_in *)s)->sin_addr.s_addr);
}
static inline uint16_t endpoints_ipv4_port(const struct sockaddr_storage *s) {
  return ntohs(((const struct sockaddr_in *)s)->sin_port);
}
static inline socklen_t endpoints_ipv6_make(struct sockaddr_storage *s, uint64_t high, uint64_t low, uint16_t port,
                                            uint32_t scope) {
  struct sockaddr_in6 *a = (struct sockaddr_in6 *)s;
  memset(a, 0, sizeof *a);
  a->sin6_family = AF_INET6;
  a->sin6_port = htons(port);
  a->sin6_scope_id = scope;
  for (int i = 0; i < 8; i++) {
    a->sin6_addr.s6_addr[i] = (uint8_t)(high >> (56 - 8 * i));
    a->sin6_addr.s6_addr[8 + i] = (uint8_t)(low >> (56 - 8 * i));
  }
  return sizeof *a;
}
static inline uint64_t endpoints_ipv6_half(const struct sockaddr_storage *s, int second) {
  const uint8_t *bytes = ((const struct sockaddr_in6 *)s)->sin6_addr.s6_addr + (second ? 8 : 0);
  uint64_t half = 0;
  for (int i = 0; i < 8; i++) half = half << 8 | bytes[i];
  return half;
}
static inline uint16_t endpoints_ipv6_port(const struct sockaddr_storage *s) {
  return ntohs(((const struct sockaddr_in6 *)s)->sin6_port);
}
static inline uint32_t endpoints_ipv6_scope(const struct sockaddr_storage *s) {
  return ((const struct sockaddr_in6 *)s)->sin6_scope_id;
}
// A path gets its NUL, an abstract name (first byte NUL) has none: there the length counts. 0 = too long.
static inline socklen_t endpoints_unix_make(struct sockaddr_storage *s, const void *path, size_t n) {
  struct sockaddr_un *a = (struct sockaddr_un *)s;
  if (n >= sizeof a->sun_path) return 0;
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  memcpy(a->sun_path, path, n);
  int abstract = n > 0 && a->sun_path[0] == 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
}
static inline const char *endpoints_unix_path(const struct sockaddr_storage *s) {
  return ((const struct sockaddr_un *)s)->sun_path;
}
static const size_t ENDPOINTS_UNIX_PATH_OFFSET = offsetof(struct sockaddr_un, sun_path);

// 1 = the text is an address of that family, and *s holds it.
static inline int endpoints_parse_ip(int family, const char *text, struct sockaddr_storage *s) {
  memset(s, 0, sizeof *s);
  s->ss_family = (sa_family_t)family;
  void *field = family == AF_INET ? (void *)&((struct sockaddr_in *)s)->sin_addr
                                  : (void *)&((struct sockaddr_in6 *)s)->sin6_addr;
  return inet_pton(family, text, field);
}
static inline const char *endpoints_print_ip(const struct sockaddr_storage *s, char *text, socklen_t capacity) {
  const void *field = s->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)s)->sin_addr
                                              : (const void *)&((const struct sockaddr_in6 *)s)->sin6_addr;
  return inet_ntop(s->ss_family, field, text, capacity);
}
static inline void endpoints_copy_address(struct sockaddr_storage *s, const struct sockaddr *from, socklen_t length) {
  memset(s, 0, sizeof *s);
  memcpy(s, from, length < sizeof *s ? length : sizeof *s);
}

// MARK: look-ups

// getaddrinfo's codes that glibc shows to GNU programs only.
static const int ENDPOINTS_EAI_NODATA = -5, ENDPOINTS_EAI_ADDRFAMILY = -9;
// Answers 0 or an EAI code; the errno of EAI_SYSTEM beside it.
static inline int endpoints_getaddrinfo(const char *host, int family, int flags, struct addrinfo **list, int *code) {
  struct addrinfo hints = {.ai_flags = flags, .ai_family = family, .ai_socktype = SOCK_STREAM};
  int result = endpoints_system.getaddrinfo(host, NULL, &hints, list);
  *code = errno;
  return result;
}

// MARK: what the C library has for GNU programs only, in CEndpointsSockets.c

// The name and the text of an errno; NULL if there is none. Thread-safe and never translated (glibc 2.32).
const char *endpoints_errno_name(int code);
const char *endpoints_errno_text(int code);
// Starts a detached thread that takes no signals; answers 0 or -errno.
int endpoints_start_thread(void *(*body)(void *), void *argument, size_t stack);
// 0 = signalled, 1 = the time is over.
int endpoints_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t nanoseconds);
// A descriptor for the directory entry itself: it keeps the inode, and follows no link.
int endpoints_open_entry(const char *path);
// The entry that a UNIX socket is bound to, whatever its path names by now; needs CAP_NET_ADMIN (Linux 4.12).
int endpoints_open_bound_entry(int socket);
// Mode and owner of an entry, through its O_PATH descriptor; ~0 leaves an owner as it is.
int endpoints_chmod_entry(int fd, unsigned mode);
int endpoints_chown_entry(int fd, uint32_t owner, uint32_t group);
// The number of a user or a group: 1 and `*id`, 0 if there is none of that name, or -errno.
int endpoints_user_id(const char *name, uint32_t *id);
int endpoints_group_id(const char *name, uint32_t *id);
// Pages that are not in core dumps; NULL if there are none.
void *endpoints_secret_pages(size_t size);
void endpoints_secret_pages_free(void *pages, size_t size);
// Overwrites bytes, also where the compiler sees that nobody reads them again.
void endpoints_wipe(void *bytes, size_t count);
int endpoints_contains(const void *bytes, size_t count, const void *part, size_t part_count);
// No core dump of this process, and no debugger but root's (PR_SET_DUMPABLE); a program it executes is free of that.
int endpoints_forbid_dumps(void);

// MARK: files

// Device, inode, kind, and the time of the last change, of the entry itself, never of what a link points to. The time
// is in nanoseconds since 1970, or the nearest of which there is a number: anyone can set it to any second.
struct endpoints_file {
  uint64_t device, inode;
  int64_t changed;
  uint64_t links;
  uint32_t mode, owner, group;
};
static inline void endpoints_file_read(const struct stat *s, struct endpoints_file *file) {
  file->device = s->st_dev;
  file->inode = s->st_ino;
  file->mode = s->st_mode;
  file->links = s->st_nlink;
  file->owner = s->st_uid;
  file->group = s->st_gid;
  int64_t seconds = s->st_mtim.tv_sec;
  if (__builtin_mul_overflow(seconds, 1000000000, &file->changed) ||
      __builtin_add_overflow(file->changed, s->st_mtim.tv_nsec, &file->changed))
    file->changed = seconds < 0 ? INT64_MIN : INT64_MAX;
}
static inline int endpoints_lstat(const char *path, struct endpoints_file *file) {
  struct stat s;
  if (endpoints_system.lstat(path, &s)) return -errno;
  endpoints_file_read(&s, file);
  return 0;
}
static inline int endpoints_fstat(int fd, struct endpoints_file *file) {
  struct stat s;
  if (endpoints_system.fstat(fd, &s)) return -errno;
  endpoints_file_read(&s, file);
  return 0;
}
static inline int endpoints_is_socket(uint32_t mode) { return S_ISSOCK(mode); }
static inline int endpoints_is_regular_file(uint32_t mode) { return S_ISREG(mode); }
static inline int endpoints_is_link(uint32_t mode) { return S_ISLNK(mode); }
static inline int endpoints_rename(const char *from, const char *to) { return (int)endpoints_result(endpoints_system.rename(from, to)); }
static inline int endpoints_symlink(const char *text, const char *path) {
  return (int)endpoints_result(endpoints_system.symlink(text, path));
}
static inline long endpoints_readlink(const char *path, char *text, size_t capacity) {
  return endpoints_result(endpoints_system.readlink(path, text, capacity));
}
// Locks the open file for this process, or answers -EWOULDBLOCK (flock(2)).
static inline int endpoints_lock(int fd) { return (int)endpoints_result(endpoints_system.flock(fd, LOCK_EX | LOCK_NB)); }
static inline int endpoints_unlink(const char *path) { return (int)endpoints_result(endpoints_system.unlink(path)); }
static inline int endpoints_fchmod(int fd, unsigned mode) { return (int)endpoints_result(endpoints_system.fchmod(fd, mode)); }
static inline int endpoints_chmod(const char *path, unsigned mode) { return (int)endpoints_result(endpoints_system.chmod(path, mode)); }
static inline int endpoints_kill(int pid, int number) { return (int)endpoints_result(endpoints_system.kill(pid, number)); }
