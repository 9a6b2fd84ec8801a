#define _GNU_SOURCE
#include "CEndpoints.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89E0
#endif

const char *endpoints_errno_name(int code) { return strerrorname_np(code); }
const char *endpoints_errno_text(int code) { return strerrordesc_np(code); }

int endpoints_start_thread(void *(*body)(void *), void *argument, size_t stack) {
  pthread_attr_t attributes;
  int failure = pthread_attr_init(&attributes);
  if (failure) return -failure;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, stack);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  failure = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return -failure;
}

int endpoints_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t nanoseconds) {
  struct timespec t;
  endpoints_system.clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t end = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec + nanoseconds;
  t.tv_sec = (time_t)(end / 1000000000ull);
  t.tv_nsec = (long)(end % 1000000000ull);
  return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &t) == ETIMEDOUT;
}

int endpoints_open_entry(const char *path) { return (int)endpoints_result(endpoints_system.open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0)); }

int endpoints_open_bound_entry(int socket) {
  return (int)endpoints_result(endpoints_system.ioctl(socket, SIOCUNIXFILE, NULL));
}

int endpoints_chmod_entry(int fd, unsigned mode) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return endpoints_chmod(path, mode);
}

int endpoints_chown_entry(int fd, uint32_t owner, uint32_t group) {
  return (int)endpoints_result(endpoints_system.fchownat(fd, "", owner, group, AT_EMPTY_PATH));
}

// Both tables want a buffer as large as their largest entry, which nobody knows beforehand.
#define ENDPOINTS_FIND(type, find, member)                      \
  for (size_t size = 1024; size <= 1 << 24; size *= 4) {        \
    char *buffer = malloc(size);                                \
    if (!buffer) return -ENOMEM;                                \
    struct type entry, *found = NULL;                           \
    int failure = find(name, &entry, buffer, size, &found);     \
    if (found) *id = found->member;                             \
    free(buffer);                                               \
    if (failure != ERANGE) return found ? 1 : failure == 0 || failure == ENOENT ? 0 : -failure; \
  }                                                             \
  return -ERANGE;

int endpoints_user_id(const char *name, uint32_t *id) { ENDPOINTS_FIND(passwd, getpwnam_r, pw_uid) }
int endpoints_group_id(const char *name, uint32_t *id) { ENDPOINTS_FIND(group, getgrnam_r, gr_gid) }

void *endpoints_secret_pages(size_t size) {
  void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return NULL;
  madvise(pages, size, MADV_DONTDUMP);
  return pages;
}

void endpoints_secret_pages_free(void *pages, size_t size) { munmap(pages, size); }

void endpoints_wipe(void *bytes, size_t count) { explicit_bzero(bytes, count); }

int endpoints_contains(const void *bytes, size_t count, const void *part, size_t part_count) {
  return memmem(bytes, count, part, part_count) != NULL;
}

int endpoints_forbid_dumps(void) { return (int)endpoints_result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }
