/*
 * Load for an MCP endpoint: clients with a session and a connection each, one thread, epoll.
 *
 *   mcp-load calls PORT PATH TOKEN CLIENTS SECONDS SIZE   calls a tool as fast as the answers come; SIZE 0 is a small answer
 *   mcp-load hold PORT PATH TOKEN CLIENTS streams|idle    opens the sessions, a GET stream in each, says so and waits for its input to end
 *   mcp-load direct SECONDS COMMAND...                    the same calls over the pipes of the command itself
 *
 * TOKEN is a bearer token or "-". Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum step { initializing, confirming, ready, calling, streaming };

struct client {
  int fd;
  enum step step;
  char session[256];
  char *in;
  size_t held, room, head;
  /* Of the answer: bytes of body that are known to come, or chunked; where the next chunk starts. */
  long long length;
  int chunked, status;
  size_t chunk;
  double sent;
};

static const char *path, *token;
static int port, ep;
static double *latencies;
static size_t measured, most = 1 << 20;
static long failures;
static size_t answer_size;
static char why[300];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  fprintf(stderr, "mcp-load: %s: %s\n", what, why[0] ? why : strerror(errno));
  exit(1);
}

static void record(double seconds) {
  if (measured == most) latencies = realloc(latencies, (most *= 2) * sizeof *latencies);
  latencies[measured++] = seconds;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(double *sorted, size_t count, double q) {
  return count ? sorted[(size_t)((count - 1) * q)] * 1000 : 0;
}

static const char initialize[] =
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\","
    "\"capabilities\":{},\"clientInfo\":{\"name\":\"mcp-load\",\"version\":\"1\"}}}";
static const char initialized[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

/* A precision of 0 prints nothing for a size of 0. */
static int tool_call(char *to, size_t size, long id) {
  return sprintf(to,
                 "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\","
                 "\"arguments\":{\"text\":\"hello, is there anybody\"%s%.0zu}}}",
                 id, size ? ",\"size\":" : "", size);
}

static void dial(struct client *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event)) die("epoll");
}

static void send_request(struct client *c, const char *method, const char *body, enum step next) {
  char text[4096 + 16384];
  char session[320] = "", auth[8300] = "";
  if (c->session[0]) snprintf(session, sizeof session, "Mcp-Session-Id: %s\r\nMcp-Protocol-Version: 2025-06-18\r\n", c->session);
  if (token[0] != '-') snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n", token);
  int size = snprintf(text, sizeof text,
                      "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                      "Accept: %stext/event-stream\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                      method, path, port, body[0] ? "application/json, " : "", session, auth, strlen(body), body);
  if (write(c->fd, text, size) != size) die("write");
  c->step = next;
  c->sent = now();
  c->held = c->head = c->chunk = 0;
}

static int parse_head(struct client *c) {
  char *end = memmem(c->in, c->held, "\r\n\r\n", 4);
  if (!end) return 0;
  *end = 0;
  c->head = end + 4 - c->in;
  c->status = atoi(c->in + 9);
  char *length = strcasestr(c->in, "\r\ncontent-length:");
  char *session = strcasestr(c->in, "\r\nmcp-session-id:");
  c->chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked") != NULL;
  c->length = length ? strtoll(length + 17, NULL, 10) : 0;
  c->chunk = c->head;
  if (session) {
    session += 17;
    session += strspn(session, " ");
    size_t size = strcspn(session, "\r\n");
    if (size < sizeof c->session) snprintf(c->session, sizeof c->session, "%.*s", (int)size, session);
  }
  return 1;
}

/* Whether the answer is whole. */
static int whole(struct client *c) {
  if (!c->head && !parse_head(c)) return 0;
  if (!c->chunked) return c->held >= c->head + c->length;
  for (;;) {
    char *line = c->in + c->chunk;
    char *end = memmem(line, c->in + c->held - line, "\r\n", 2);
    if (!end) return 0;
    size_t size = strtoul(line, NULL, 16);
    size_t next = (end + 2 - c->in) + size + 2;
    if (next > c->held) return 0;
    c->chunk = next;
    if (size == 0) return 1;
  }
}

/* Reads what is there; 1 when the answer is whole, -1 when the connection is over. */
static int take(struct client *c) {
  if (c->room - c->held < 65536) {
    c->room = c->room ? c->room * 2 : 131072;
    c->in = realloc(c->in, c->room + 1);
    if (!c->in) die("memory");
  }
  ssize_t got = recv(c->fd, c->in + c->held, c->room - c->held, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) return -1;
  c->held += got;
  c->in[c->held] = 0;
  return whole(c);
}

static void wait_for(struct client *c) {
  struct epoll_event events[1];
  double until = now() + 30;
  for (;;) {
    int state = take(c);
    if (state == 1) return;
    if (state < 0 || now() > until) {
      snprintf(why, sizeof why, "no answer; got %.200s", c->held ? c->in : "nothing");
      die("handshake");
    }
    epoll_wait(ep, events, 1, 1000);
  }
}

/* Opens a session; seconds from the request to its answer. */
static double handshake(struct client *c) {
  dial(c);
  send_request(c, "POST", initialize, initializing);
  wait_for(c);
  double seconds = now() - c->sent;
  if (c->status != 200 || !c->session[0]) {
    snprintf(why, sizeof why, "%.250s", c->in);
    die("initialize");
  }
  send_request(c, "POST", initialized, confirming);
  wait_for(c);
  c->step = ready;
  return seconds;
}

static void next_call(struct client *c) {
  static long id = 1;
  char body[512];
  tool_call(body, answer_size, id++);
  send_request(c, "POST", body, calling);
}

static void calls(struct client *clients, int count, double seconds) {
  struct epoll_event events[256];
  double start = now(), end = start + seconds;
  for (int i = 0; i < count; i++) next_call(&clients[i]);
  while (now() < end) {
    int ready = epoll_wait(ep, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      struct client *c = events[i].data.ptr;
      int state = take(c);
      if (state == 0) continue;
      if (state < 0) {
        failures++;
        epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
        close(c->fd);
        dial(c);
      } else {
        record(now() - c->sent);
        if (c->status != 200 || !memmem(c->in + c->head, c->held - c->head, "\"result\"", 8)) failures++;
      }
      next_call(c);
    }
  }
}

/* Ends the sessions, so that the next run begins with none. Whatever the answer is, it was asked. */
static void leave(struct client *clients, int count) {
  for (int i = 0; i < count; i++) {
    close(clients[i].fd);
    dial(&clients[i]);
    send_request(&clients[i], "DELETE", "", ready);
  }
  for (int i = 0; i < count; i++) wait_for(&clients[i]);
}

static void print_calls(double seconds, double *inits, size_t count) {
  qsort(latencies, measured, sizeof *latencies, ascending);
  qsort(inits, count, sizeof *inits, ascending);
  printf("{\"requests\":%zu,\"seconds\":%.3f,\"failures\":%ld,\"p50\":%.4f,\"p99\":%.4f,\"start\":%.4f}\n", measured, seconds,
         failures, quantile(latencies, measured, 0.5), quantile(latencies, measured, 0.99), quantile(inits, count, 0.5));
}

/* One session over pipes: starts the command, and answers with the seconds to its first answer. */
static double launch(char **command, FILE **to, FILE **from, pid_t *pid) {
  int in[2], out[2];
  double start = now();
  if (pipe(in) || pipe(out)) die("pipe");
  *pid = fork();
  if (*pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[1]);
    close(out[0]);
    execvp(command[0], command);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  *to = fdopen(in[1], "w");
  *from = fdopen(out[0], "r");
  static char *line;
  static size_t room;
  fprintf(*to, "%s\n", initialize);
  fflush(*to);
  if (getline(&line, &room, *from) <= 0) die("the command says nothing");
  return now() - start;
}

static int direct(double seconds, char **command) {
  double inits[20];
  FILE *to, *from;
  pid_t pid;
  for (int i = 0; i < 20; i++) {
    inits[i] = launch(command, &to, &from, &pid);
    if (i == 19) break;
    fclose(to);
    fclose(from);
    waitpid(pid, NULL, 0);
  }
  char body[512], *line = NULL;
  size_t room = 0;
  double start = now();
  for (long id = 1; now() < start + seconds; id++) {
    double sent = now();
    int size = tool_call(body, answer_size, id);
    body[size] = '\n';
    fwrite(body, 1, size + 1, to);
    fflush(to);
    if (getline(&line, &room, from) <= 0) die("the command stopped");
    record(now() - sent);
  }
  print_calls(now() - start, inits, 20);
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  latencies = malloc(most * sizeof *latencies);
  if (argc > 3 && !strcmp(argv[1], "direct")) return direct(atof(argv[2]), argv + 3);
  if (argc < 7) {
    fprintf(stderr, "see the head of mcp-load.c\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  port = atoi(argv[2]);
  path = argv[3];
  token = argv[4];
  int count = atoi(argv[5]);
  ep = epoll_create1(0);
  struct client *clients = calloc(count, sizeof *clients);
  double *inits = calloc(count, sizeof *inits);
  for (int i = 0; i < count; i++) inits[i] = handshake(&clients[i]);
  if (!strcmp(argv[1], "calls") && argc == 8) {
    answer_size = strtoul(argv[7], NULL, 10);
    double seconds = atof(argv[6]), start = now();
    calls(clients, count, seconds);
    print_calls(now() - start, inits, count);
    leave(clients, count);
    return 0;
  }
  for (int i = 0; i < count && !strcmp(argv[6], "streams"); i++) send_request(&clients[i], "GET", "", streaming);
  printf("{\"open\":%d}\n", count);
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}
