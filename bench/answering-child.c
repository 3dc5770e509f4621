/*
 * A stdio MCP server that answers at once, so that what is measured is the bridge in front of it.
 * tools/call answers 200 bytes of text, or as many as its argument "size" says.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *out;
static size_t room;

static void need(size_t size) {
  if (size <= room) return;
  room = size * 2;
  out = realloc(out, room);
  if (!out) exit(1);
}

static void answer(const char *id, size_t id_length, const char *member, const char *value, size_t value_length) {
  need(id_length + value_length + 128);
  int head = sprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"%s\":", (int)id_length, id, member);
  memcpy(out + head, value, value_length);
  memcpy(out + head + value_length, "}\n", 2);
  size_t size = head + value_length + 2;
  for (size_t at = 0; at < size;) {
    ssize_t written = write(1, out + at, size - at);
    if (written <= 0) exit(0);
    at += written;
  }
}

/* Text as tools send it: lines, with a quote in each. */
static size_t text_result(char **result, size_t size) {
  static const char line[] = "the quick brown fox \\\"jumps\\\" over the lazy dog, again and again and again\\n";
  size_t unit = sizeof line - 1;
  char *text = malloc(size + unit + 64);
  size_t at = sprintf(text, "{\"content\":[{\"type\":\"text\",\"text\":\"");
  size_t first = at;
  while (at - first + unit <= size) {
    memcpy(text + at, line, unit);
    at += unit;
  }
  while (at - first < size) text[at++] = '.';
  at += sprintf(text + at, "\"}]}");
  *result = text;
  return at;
}

static void serve(char *line) {
  char *method = strstr(line, "\"method\":\"");
  char *id = strstr(line, "\"id\":");
  if (!method || !id) return;
  method += 10;
  id += 5;
  size_t id_length = *id == '"' ? (size_t)(strchr(id + 1, '"') - id) + 1 : strcspn(id, ",}");
  if (!strncmp(method, "initialize\"", 11)) {
    const char *value =
        "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
        "\"serverInfo\":{\"name\":\"answering-child\",\"version\":\"1\"}}";
    return answer(id, id_length, "result", value, strlen(value));
  }
  if (!strncmp(method, "ping\"", 5)) return answer(id, id_length, "result", "{}", 2);
  if (!strncmp(method, "tools/call\"", 11)) {
    static char *text;
    static size_t length, of;
    char *size = strstr(line, "\"size\":");
    size_t wanted = size ? strtoul(size + 7, NULL, 10) : 200;
    if (of != wanted) {
      free(text);
      length = text_result(&text, wanted);
      of = wanted;
    }
    return answer(id, id_length, "result", text, length);
  }
  const char *error = "{\"code\":-32601,\"message\":\"no such method\"}";
  answer(id, id_length, "error", error, strlen(error));
}

int main(void) {
  size_t size = 65536, held = 0;
  char *in = malloc(size + 1);
  for (;;) {
    if (held == size) in = realloc(in, (size *= 2) + 1);
    ssize_t got = read(0, in + held, size - held);
    if (got <= 0) return 0;
    held += got;
    char *line = in, *end;
    while ((end = memchr(line, '\n', held - (line - in)))) {
      *end = 0;
      serve(line);
      line = end + 1;
    }
    held -= line - in;
    memmove(in, line, held);
  }
}
