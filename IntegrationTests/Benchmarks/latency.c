// latency: how long a server's other clients wait while one kind of load keeps its loop busy.
//
//   latency SERVER [LOAD...]      SERVER is the program latency-server; LOAD is one or more of the letters below
//
// One connection sends 64 bytes every half millisecond and gets them back, on the loop that serves the load, too:
//
//   a  10,000 connections arrive, and each gets an answer
//   b  10,000 connections arrive that the limit for their source refuses
//   c  eight streams in bulk
//   d  a TLS peer sends records of one byte, and then KeyUpdates, as fast as it can
//   e  5,000 connections close at once
//   f  500 certificates are read again, and again
//
// For each it prints how long the answer took: the median, the 99th percentile, the longest. Time counts from when a
// message was due, so a server that stops for 50 ms is late for a hundred messages, not for one. The load comes from a
// process of its own. The first line is without a load: what the machine itself adds. Ends with status 1 when a 99th
// percentile is over the limit, 2 when something could not be measured.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, ARRIVALS = 10000, CLOSINGS = 5000, STREAMS = 8, CERTIFICATES = 500, RELOADS = 5 };
static const uint64_t period = 500000, limit = 20000000;  // nanoseconds

static int plain_port, limited_port, tls_port;
static FILE *to_server, *from_server;

static void fail(const char *what) {
  fprintf(stderr, "latency: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
  exit(2);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pause_for(double seconds) {
  struct timespec t = {seconds, (seconds - (int)seconds) * 1e9};
  nanosleep(&t, NULL);
}

// ---- sockets -------------------------------------------------------------------------------------------------------

// Loads use addresses of their own on the loopback network, so that no port is waited for.
static int dial(int port, int host, bool blocking) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001 + host)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0), one = 1;
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
  return fd;
}

// ---- certificates --------------------------------------------------------------------------------------------------

static void write_certificate(const char *folder, int number) {
  char path[4096], name[64];
  snprintf(path, sizeof path, "%s/%03d.pem", folder, number);
  snprintf(name, sizeof name, "host-%d.example", number);
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), number + 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 90 * 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME *subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  snprintf(path + strlen(path) + 1, 100, "DNS:%s", name);
  X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, path + strlen(path) + 1);
  X509_add_ext(certificate, names, -1);
  X509_sign(certificate, key, EVP_sha256());
  FILE *file = fopen(path, "w");
  if (!file) fail(path);
  PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
  PEM_write_X509(file, certificate);
  fclose(file);
  X509_EXTENSION_free(names);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// ---- the loads, each in a process of its own -----------------------------------------------------------------------

// A load says that it is ready by a byte, and begins when it gets one.
static int ready_end, start_end;

static void wait_for_start(void) {
  char byte = 0;
  if (write(ready_end, &byte, 1) != 1 || read(start_end, &byte, 1) != 1) exit(0);
}

// Connects `count` times, at most 1,000 at once; each sends a byte and is done when it has been answered or reset.
static void arrive(int port, int host, int count, bool stays) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), begun = 0, ended = 0;
  struct epoll_event events[256];
  wait_for_start();
  while (ended < count) {
    while (begun < count && begun - ended < 1000) {
      int fd = dial(port, host, false);
      struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
      epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      begun++;
    }
    int found = epoll_wait(epoll, events, 256, 10000);
    if (found <= 0) fail("10 seconds without an answer to a new connection");
    for (int i = 0; i < found; i++) {
      int fd = events[i].data.fd;
      char byte = 1;
      bool isOver = events[i].events & (EPOLLERR | EPOLLHUP);
      if (!isOver && events[i].events & EPOLLOUT) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
        isOver = send(fd, &byte, 1, MSG_NOSIGNAL) < 0;
      } else if (!isOver) {
        isOver = recv(fd, &byte, 1, 0) <= 0;
        if (!isOver) {  // answered
          ended++;
          if (stays) epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); else close(fd);
          continue;
        }
      }
      if (!isOver) continue;
      close(fd);
      ended++;
    }
  }
}

static void stream(void) {
  static char block[1 << 16];
  struct pollfd all[STREAMS];
  for (int i = 0; i < STREAMS; i++) all[i] = (struct pollfd){dial(plain_port, 3, true), POLLIN | POLLOUT, 0};
  for (int i = 0; i < STREAMS; i++) fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
  wait_for_start();
  for (uint64_t end = now() + 3000000000ull; now() < end;) {
    poll(all, STREAMS, 100);
    for (int i = 0; i < STREAMS; i++) {
      if (all[i].revents & POLLIN && recv(all[i].fd, block, sizeof block, 0) == 0) fail("a stream ended");
      if (all[i].revents & POLLOUT) send(all[i].fd, block, sizeof block, MSG_NOSIGNAL);
    }
  }
}

static SSL *shake_hands(SSL_CTX *context) {
  SSL *ssl = SSL_new(context);
  int fd = dial(tls_port, 4, true);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) != 1) fail("TLS handshake");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return ssl;
}

// Half of the time records of one byte, half of it KeyUpdates. A server may end such a connection; then comes another.
static void pester(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL *ssl = shake_hands(context);
  wait_for_start();
  uint64_t begin = now(), half = 1500000000;
  char byte = 1, block[4096];
  while (now() < begin + 2 * half) {
    bool updates = now() > begin + half;
    int result = 1;
    for (int i = 0; i < 64 && result == 1; i++) {
      if (updates && SSL_get_key_update_type(ssl) == SSL_KEY_UPDATE_NONE)
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
      result = updates ? SSL_do_handshake(ssl) : SSL_write(ssl, &byte, 1);
    }
    int error = SSL_get_error(ssl, result);
    if (result != 1 && error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) goto again;
    do result = SSL_read(ssl, block, sizeof block); while (result > 0);
    error = SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) goto again;
    if (!updates || SSL_want_write(ssl)) {
      struct pollfd one = {SSL_get_fd(ssl), POLLOUT | POLLIN, 0};
      poll(&one, 1, 10);
    }
    continue;
  again:
    ERR_clear_error();
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    ssl = shake_hands(context);
  }
}

static void close_all(void) {
  static int all[CLOSINGS];
  for (int i = 0; i < CLOSINGS; i++) {
    char byte = 1;
    all[i] = dial(plain_port, 5 + i % 8, true);
    if (send(all[i], &byte, 1, 0) != 1 || recv(all[i], &byte, 1, 0) != 1) fail("a connection that is to be closed");
  }
  wait_for_start();
  for (int i = 0; i < CLOSINGS; i++) shutdown(all[i], SHUT_WR);
  for (int i = 0; i < CLOSINGS; i++) {
    char byte;
    recv(all[i], &byte, 1, 0);  // the server's end
  }
}

static void reload(void) {
  char line[1000];
  wait_for_start();
  for (int i = 0; i < RELOADS; i++) {
    fprintf(to_server, "\n");
    fflush(to_server);
    if (!fgets(line, sizeof line, from_server)) fail("reload");
    if (strcmp(line, "reloaded\n")) errno = 0, fail(line);
  }
}

static void rest(void) {
  wait_for_start();
  pause_for(1);
}

static void load_a(void) { arrive(plain_port, 1, ARRIVALS, true); }
static void load_b(void) { arrive(limited_port, 2, ARRIVALS, false); }

static const struct { char letter; const char *name; void (*run)(void); int rounds; } loads[] = {
  {'-', "no load", rest, 1},
  {'a', "10,000 connections arrive", load_a, 1},
  {'b', "10,000 are refused by their source's rate", load_b, 1},
  {'c', "eight streams in bulk", stream, 1},
  {'d', "TLS: records of a byte, then KeyUpdates", pester, 1},
  {'e', "5,000 connections close at once", close_all, 3},
  {'f', "500 certificates are read again", reload, 1},
};

// ---- the probe -----------------------------------------------------------------------------------------------------

static uint64_t *samples;
static size_t sample_count, sample_room;

static void note(uint64_t latency) {
  if (sample_count == sample_room) samples = realloc(samples, (sample_room = sample_room * 2 + 1024) * sizeof *samples);
  samples[sample_count++] = latency;
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

// Sends a message each period while `load` lives, and notes when each has come back.
static void probe(int fd, pid_t load) {
  char message[SIZE] = {0}, answer[1 << 16];
  uint64_t begin = now(), sent = 0, received = 0;
  size_t bytes = 0;
  bool is_over = false;
  while (!is_over || received < sent) {
    uint64_t due = begin + sent * period, time = now();
    if (!is_over && time >= due) {
      // Room for 64 bytes there is unless the server has not read for seconds; then it is waited for.
      if (send(fd, message, SIZE, MSG_NOSIGNAL) == SIZE) sent++; else if (errno != EAGAIN) fail("the echo's connection");
      int status;
      if (waitpid(load, &status, WNOHANG) == load) {
        is_over = true;
        if (!WIFEXITED(status) || WEXITSTATUS(status)) errno = 0, fail("the load has failed");
      }
      continue;
    }
    struct timespec left = {0, is_over || due < time ? 100000000 : due - time};
    struct pollfd one = {fd, POLLIN, 0};
    if (ppoll(&one, 1, &left, NULL) > 0) {
      ssize_t got = recv(fd, answer, sizeof answer, 0);
      if (got <= 0 && errno != EAGAIN) fail("the echo's connection");
      if (got > 0) bytes += got;
      for (time = now(); received < bytes / SIZE; received++) note(time - (begin + received * period));
    }
    if (now() > begin + 60000000000ull) errno = 0, fail("a minute without an end of the load");
  }
}

static bool measure(size_t index) {
  sample_count = 0;
  for (int round = 0; round < loads[index].rounds; round++) {
    int ready[2], start[2];
    char byte = 0;
    if (pipe2(ready, O_CLOEXEC) || pipe2(start, O_CLOEXEC)) fail("pipe");
    pid_t load = fork();
    if (load < 0) fail("fork");
    if (load == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      setpriority(PRIO_PROCESS, 0, 0);
      close(ready[0]);
      close(start[1]);
      ready_end = ready[1], start_end = start[0];
      loads[index].run();
      _exit(0);
    }
    close(ready[1]);
    close(start[0]);
    if (read(ready[0], &byte, 1) != 1) errno = 0, fail("a load could not begin");
    int fd = dial(plain_port, 0, true);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    pause_for(0.2);
    if (write(start[1], &byte, 1) != 1) fail("write");
    probe(fd, load);
    close(fd);
    close(ready[0]);
    close(start[1]);
    pause_for(1);  // What the load has left behind ends.
  }
  qsort(samples, sample_count, sizeof *samples, by_size);
  uint64_t p99 = samples[sample_count * 99 / 100], most = samples[sample_count - 1];
  bool is_late = index > 0 && p99 > limit;
  printf("%c  %-44s p50 %8.2f ms   p99 %8.2f ms   max %8.2f ms%s\n", loads[index].letter, loads[index].name,
         samples[sample_count / 2] / 1e6, p99 / 1e6, most / 1e6, is_late ? "   LATE" : "");
  fflush(stdout);
  return !is_late;
}

static pid_t start_server(const char *program, const char *folder) {
  int in[2], out[2];
  if (pipe(in) || pipe(out)) fail("pipe");
  pid_t server = fork();
  if (server < 0) fail("fork");
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], 0), dup2(out[1], 1);
    close(in[0]), close(in[1]), close(out[0]), close(out[1]);
    execl(program, program, folder, NULL);
    fail(program);
  }
  close(in[0]), close(out[1]);
  fcntl(in[1], F_SETFD, FD_CLOEXEC), fcntl(out[0], F_SETFD, FD_CLOEXEC);
  to_server = fdopen(in[1], "w"), from_server = fdopen(out[0], "r");
  errno = 0;
  if (fscanf(from_server, "plain %d limited %d tls %d\n", &plain_port, &limited_port, &tls_port) != 3)
    fail("the server's ports");
  return server;
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: latency SERVER [LOAD...]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < ARRIVALS + 1000) errno = 0, fail("11,000 open files must be allowed (ulimit -Hn)");
  char folder[] = "/tmp/latency.XXXXXX", path[4096];
  if (!mkdtemp(folder)) fail("mkdtemp");
  for (int i = 0; i < CERTIFICATES; i++) write_certificate(folder, i);
  pid_t server = start_server(arguments[1], folder);
  setpriority(PRIO_PROCESS, 0, -20);  // As far as it may: what the machine is busy with must not count.
  int late = 0;
  for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
    bool is_asked = count == 2 || i == 0;
    for (int k = 2; k < count; k++) is_asked |= strchr(arguments[k], loads[i].letter) != NULL;
    if (is_asked && !measure(i)) late++;
  }
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  for (int i = 0; i < CERTIFICATES; i++) {
    snprintf(path, sizeof path, "%s/%03d.pem", folder, i);
    unlink(path);
  }
  rmdir(folder);
  return late ? 1 : 0;
}
