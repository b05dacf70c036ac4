/* chatload: a load generator for chat servers that checks every delivery.
 *
 *     cc -O2 -o chatload chatload.c websocket.c
 *     cc -O2 -o chatload chatload.c websocket.c -DDEFLATE -lz     # for --deflate
 *     chatload --port 3000 --pid 4711 --rooms 1 --members 110 --senders 10 --window 64 --duration 3
 *
 * One thread, one epoll loop.  It opens rooms * members connections, takes each through a
 * handshake, lets the first --senders members of every room speak, and prints one JSON object.
 * Every message carries a header "$" + sender (6 hex digits) + number (8) + sending time in
 * nanoseconds (16), so that each reader can tell a lost, doubled, reordered or misrouted message.
 *
 * Where to connect
 *   --host ADDRESS    IPv4 address, default 127.0.0.1
 *   --port N          TCP port, default 6667
 *   --unix PATH       a Unix socket instead of TCP
 *   --inflight N      handshakes under way at the same time, default 32
 *
 * What to speak
 *   --dialect NAME    "irc" (default) fills in the steps, message and ping of a minimal IRC client
 *                     unless a --step is given; "websocket" upgrades each connection to
 *                     WebSocket at /ws, and every step and message is a text frame of its own
 *                     instead of a line; any other name only says what is spoken
 *   --deflate         with websocket: demand permessage-deflate, without context takeover; what
 *                     the server deflates is inflated and checked, and what is sent to it is
 *                     marked as deflated, in stored blocks, so that it has to inflate it
 *   --step TEXT       send TEXT as the next step of the handshake (at most 12 steps)
 *   --expect TEXT     wait for TEXT before the next step
 *   --send TEXT       a chat message; the line or frame that is delivered must contain %p
 *                     unchanged, and nothing of another message
 *   --ping TEXT       a line that begins with TEXT is answered ...
 *   --pong TEXT       ... with this text and the rest of the line
 *   --echo 0|1        1: a sender hears its own messages, default 0
 *   Templates (--step, --expect, --send): %n name, %r room, %p payload, %l its length in bytes,
 *   %% a percent sign; \n, \r, \\ and \xHH.
 *
 * How much
 *   --rooms N         default 1
 *   --members N       connections per room, default 110
 *   --senders N       speaking members per room, default 10; 0 only connects
 *   --payload BYTES   31 to 60000, default 100
 *   --window N        a sender has at most N messages that not every reader has seen, default 16
 *   --rate N          N messages per second in all, at fixed times, instead of a window
 *   --duration S      seconds of sending, default 5
 *   --messages N      stop after N messages instead of after --duration
 *   --settle S        wait for S seconds of silence after the joins, default 0.5
 *   --hold S          then stay idle for S seconds, default 0
 *   --maxwait S       give up on a handshake without progress for S seconds, default 60
 *
 * What to report
 *   --pid N           the server: CPU time (all its threads) and resident memory are read of it
 *   --label TEXT      copied to the output; no quotes, backslashes or control characters
 *
 * Exit codes
 *   0  every message reached every reader once and in order
 *   1  the run could not be made (system error, stalled handshake); no JSON is printed
 *   2  wrong arguments
 *   3  a message was lost, doubled, reordered or misrouted, a connection died, or messages
 *      were still missing 15 s after the last one was sent
 */
#define _GNU_SOURCE
#include "websocket.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_NOT_RUN = 1, EXIT_USAGE = 2, EXIT_BAD_DELIVERY = 3 };

enum {
    MAX_STEPS = 12,
    MAX_CONNECTIONS = 1 << 20,
    MAX_WINDOW = 1 << 20,
    MAX_EXPANSION = 256 * 1024,     /* bytes of one expanded template */
    MAX_PARTIAL_LINE = 1024 * 1024, /* bytes of a line or frame whose end has not come yet */
    READ_SIZE = 256 * 1024,
    EVENTS_PER_POLL = 512,
    REPORTED_DEATHS = 5, /* dead connections that are described on standard error */
};

/* The header of a message: mark, sender, number, time. */
enum {
    HEADER_MARK = '$',
    SENDER_DIGITS = 6,
    NUMBER_DIGITS = 8,
    TIME_DIGITS = 16,
    SENDER_AT = 1,
    NUMBER_AT = SENDER_AT + SENDER_DIGITS,
    TIME_AT = NUMBER_AT + NUMBER_DIGITS,
    HEADER_BYTES = TIME_AT + TIME_DIGITS,
    MAX_PAYLOAD = 60000,
};

static const double DRAIN_LIMIT_S = 15;     /* how long the last deliveries may take */
static const double STRAGGLER_WATCH_S = 0.1; /* a doubled last message still comes in this time */
static const uint64_t NS_PER_S = 1000000000;
static const uint32_t TIMER_EVENT = UINT32_MAX; /* epoll tag of the timer; others are indices */

struct step {
    const char *send;
    const char *expect; /* empty: go on at once */
};

static struct {
    const char *host;
    const char *unix_path; /* NULL: TCP */
    int port;
    const char *dialect;
    bool websocket; /* the dialect is "websocket" */
    bool deflate;
    struct step steps[MAX_STEPS];
    int step_count;
    const char *message; /* the template of --send */
    const char *ping;    /* empty: no line is a ping */
    const char *pong;
    int echo; /* 1: a sender hears its own messages */
    int rooms;
    int members;
    int senders;
    int payload;   /* bytes */
    int window;    /* messages; 0: --rate is given */
    double rate;   /* messages per second; 0: a window */
    double duration;
    double settle;
    double hold;
    double max_wait;
    int messages; /* 0: --duration decides */
    int inflight;
    int pid; /* 0: nothing is known of the server */
    const char *label;
} options = {
    .host = "127.0.0.1",
    .port = 6667,
    .dialect = "irc",
    .ping = "",
    .pong = "",
    .rooms = 1,
    .members = 110,
    .senders = 10,
    .payload = 100,
    .window = 16,
    .duration = 5,
    .settle = 0.5,
    .max_wait = 60,
    .inflight = 32,
    .label = "",
};

enum connection_state { CONNECTING, UPGRADING, HANDSHAKE, READY, DEAD };

struct connection {
    int fd;
    enum connection_state state;
    int index;
    int room;
    int step;            /* of the handshake */
    char *expected;      /* what ends the current step, expanded; NULL: nothing */
    char *partial;       /* a line or frame whose end has not come yet */
    size_t partial_size; /* bytes used of it */
    size_t partial_capacity;
    char *output;        /* what the kernel has not taken yet: from output_sent to output_size */
    size_t output_sent;
    size_t output_size;
    size_t output_capacity;
    bool watches_output; /* epoll tells when the socket can be written */
};

struct sender {
    uint32_t next_number; /* of the message to be sent next; equals the messages sent */
    int *seen_by;         /* readers that have seen a message, by number modulo window */
    int credit;           /* messages it may send now */
    bool runnable;        /* stands in runnable_senders */
};

/* Latencies in buckets of 1/64 of a power of two: an error below 1.6 %. */
enum { SUB_BUCKET_BITS = 6, SUB_BUCKETS = 1 << SUB_BUCKET_BITS, BUCKETS = 64 * SUB_BUCKETS };

struct histogram {
    uint64_t bucket[BUCKETS];
    uint64_t count;
    uint64_t max; /* ns */
};

static struct connection *connections;
static int connection_count;
static int ready_count;
static int dead_count;
static int epoll_fd;

static struct sender *senders;
static int sender_count;
static struct sender **runnable_senders;
static int runnable_count;
static int fan_out; /* readers of one message */

/* By connection and sender of its room: the number of the message that must come next. */
static uint32_t *next_expected;

/* What the readers saw. */
static struct {
    uint64_t deliveries;
    uint64_t gaps;       /* messages that a later one of the same sender overtook */
    uint64_t duplicates; /* also a message that comes after a gap was counted for it */
    uint64_t misrouted;  /* of another room, of nobody, or a sender's own without --echo */
    uint64_t bytes;
    uint64_t last_read;     /* ns */
    uint64_t last_delivery; /* ns */
} seen;

static struct histogram delivery_latency; /* until one reader has a message */
static struct histogram complete_latency; /* until every reader has it */

/* ---- Time, memory, errors ---- */

static void fail(const char *what)
{
    fprintf(stderr, "chatload: %s: %s\n", what, strerror(errno));
    exit(EXIT_NOT_RUN);
}

static void usage_error(const char *what, const char *detail)
{
    fprintf(stderr, "chatload: %s%s\n", what, detail);
    exit(EXIT_USAGE);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory == NULL)
        fail("calloc");
    return memory;
}

static void reserve(char **buffer, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return;
    *capacity = needed * 2;
    *buffer = realloc(*buffer, *capacity);
    if (*buffer == NULL)
        fail("realloc");
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static double seconds_between(uint64_t from, uint64_t to)
{
    return to > from ? (double)(to - from) / 1e9 : 0;
}

/* ---- Histogram ---- */

static inline int bucket_of(uint64_t value)
{
    if (value < SUB_BUCKETS)
        return (int)value;
    int exponent = 63 - __builtin_clzll(value);
    int sub = (int)(value >> (exponent - SUB_BUCKET_BITS)) & (SUB_BUCKETS - 1);
    return (exponent - SUB_BUCKET_BITS + 1) * SUB_BUCKETS + sub;
}

static uint64_t lower_bound_of(int bucket)
{
    if (bucket < SUB_BUCKETS)
        return (uint64_t)bucket;
    int exponent = bucket / SUB_BUCKETS + SUB_BUCKET_BITS - 1;
    uint64_t sub = (uint64_t)(bucket % SUB_BUCKETS);
    return (UINT64_C(1) << exponent) + (sub << (exponent - SUB_BUCKET_BITS));
}

static inline void record(struct histogram *h, uint64_t ns)
{
    h->bucket[bucket_of(ns)]++;
    h->count++;
    if (ns > h->max)
        h->max = ns;
}

/* The given share (0 to 1) of the recorded values lies at or below the result, in ms. */
static double quantile_ms(const struct histogram *h, double share)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = (uint64_t)((double)h->count * share);
    if (rank >= h->count)
        rank = h->count - 1;
    uint64_t passed = 0;
    for (int i = 0; i < BUCKETS; i++) {
        passed += h->bucket[i];
        if (passed > rank)
            return (double)lower_bound_of(i) / 1e6;
    }
    return 0;
}

/* ---- Hexadecimal fields of the header ---- */

static const char HEX_DIGITS[] = "0123456789abcdef";
static int8_t hex_value[256]; /* -1: not a digit */

static void prepare_hex(void)
{
    memset(hex_value, -1, sizeof hex_value);
    for (int i = 0; i < 16; i++)
        hex_value[(unsigned char)HEX_DIGITS[i]] = (int8_t)i;
}

static inline bool read_hex(const char *text, int digits, uint64_t *value)
{
    uint64_t result = 0;
    int all = 0; /* negative as soon as one of them is not a digit */
    for (int i = 0; i < digits; i++) {
        int8_t digit = hex_value[(unsigned char)text[i]];
        all |= digit;
        result = result << 4 | (uint64_t)(digit & 15);
    }
    *value = result;
    return all >= 0;
}

static inline void write_hex(char *text, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = HEX_DIGITS[value & 15];
        value >>= 4;
    }
}

/* ---- Templates ---- */

static char expansion[MAX_EXPANSION]; /* the result of the last expand() */

static size_t append(size_t size, const char *bytes, size_t count)
{
    if (size + count > sizeof expansion)
        usage_error("a template becomes too long", "");
    memcpy(expansion + size, bytes, count);
    return size + count;
}

static size_t append_field(size_t size, char field, const struct connection *c, const char *payload)
{
    char text[32];
    int length;
    switch (field) {
    case 'n':
        length = snprintf(text, sizeof text, "c%05d", c->index);
        return append(size, text, (size_t)length);
    case 'r':
        length = snprintf(text, sizeof text, "r%04d", c->room);
        return append(size, text, (size_t)length);
    case 'l':
        length = snprintf(text, sizeof text, "%d", options.payload);
        return append(size, text, (size_t)length);
    case 'p':
        return payload ? append(size, payload, (size_t)options.payload) : size;
    default:
        return append(size, &field, 1);
    }
}

/* Reads the escape after a backslash; returns the position of its last character. */
static const char *read_escape(const char *at, char *result)
{
    uint64_t value;
    if (*at == 'n') {
        *result = '\n';
    } else if (*at == 'r') {
        *result = '\r';
    } else if (*at == 'x' && at[1] && at[2] && read_hex(at + 1, 2, &value)) {
        *result = (char)value;
        return at + 2;
    } else {
        *result = *at;
    }
    return at;
}

/* Expands a template for a connection into `expansion`; returns its size in bytes.
 * `payload` may be NULL: %p is nothing then. */
static size_t expand(const char *template, const struct connection *c, const char *payload)
{
    size_t size = 0;
    for (const char *at = template; *at; at++) {
        char byte = *at;
        if (byte == '%' && at[1]) {
            at++;
            size = append_field(size, *at, c, payload);
            continue;
        }
        if (byte == '\\' && at[1])
            at = read_escape(at + 1, &byte);
        size = append(size, &byte, 1);
    }
    return size;
}

/* ---- Output of a connection ---- */

static void kill_connection(struct connection *c, const char *why)
{
    static const char *const state_name[] = {"connecting", "upgrading", "in the handshake", "ready",
                                             "dead"};
    enum { SHOWN = 200 };
    if (c->state == DEAD)
        return;
    if (dead_count < REPORTED_DEATHS) {
        int shown = c->partial_size > SHOWN ? SHOWN : (int)c->partial_size;
        fprintf(stderr, "chatload: connection %d, %s, step %d: %s; read so far: [%.*s]\n",
                c->index, state_name[c->state], c->step, why, shown,
                c->partial ? c->partial : "");
    }
    if (c->state == READY)
        ready_count--;
    c->state = DEAD;
    dead_count++;
    close(c->fd);
}

static void watch_output(struct connection *c, bool watch)
{
    if (c->watches_output == watch)
        return;
    c->watches_output = watch;
    struct epoll_event event = {.events = EPOLLIN | (watch ? EPOLLOUT : 0)};
    event.data.u32 = (uint32_t)c->index;
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void queue_output(struct connection *c, const char *bytes, size_t count)
{
    if (count == 0)
        return;
    if (c->output_size + count > c->output_capacity && c->output_sent > 0) {
        c->output_size -= c->output_sent;
        memmove(c->output, c->output + c->output_sent, c->output_size);
        c->output_sent = 0;
    }
    reserve(&c->output, &c->output_capacity, c->output_size + count);
    memcpy(c->output + c->output_size, bytes, count);
    c->output_size += count;
}

static void flush_output(struct connection *c)
{
    while (c->output_sent < c->output_size) {
        size_t left = c->output_size - c->output_sent;
        ssize_t taken = send(c->fd, c->output + c->output_sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken >= 0) {
            c->output_sent += (size_t)taken;
        } else if (errno == EAGAIN) {
            watch_output(c, true);
            return;
        } else if (errno != EINTR) {
            kill_connection(c, strerror(errno));
            return;
        }
    }
    c->output_sent = 0;
    c->output_size = 0;
    watch_output(c, false);
}

/* Sends a step or a message: as it is, or as a frame. */
static void queue_text(struct connection *c, const char *text, size_t size)
{
    static char frame[MAX_EXPANSION + FRAME_OVERHEAD];
    if (options.websocket && size > 0) {
        size = write_frame(frame, OPCODE_TEXT, options.deflate, text, size);
        text = frame;
    }
    queue_output(c, text, size);
}

/* ---- Handshake ---- */

static void forget_expected(struct connection *c)
{
    free(c->expected);
    c->expected = NULL;
}

/* Sends steps up to the first one that waits for an answer; after the last one it is ready. */
static void take_steps(struct connection *c)
{
    forget_expected(c);
    while (c->step < options.step_count) {
        const struct step *step = &options.steps[c->step];
        size_t size = expand(step->send, c, NULL);
        queue_text(c, expansion, size);
        flush_output(c);
        if (c->state == DEAD)
            return;
        if (step->expect[0]) {
            size = expand(step->expect, c, NULL);
            c->expected = strndup(expansion, size);
            return;
        }
        c->step++;
    }
    c->state = READY;
    ready_count++;
}

/* If the bytes hold what the handshake waits for, goes on with it; returns the place behind the
 * match, or NULL. */
static char *match_step(struct connection *c, char *bytes, size_t size)
{
    size_t expected_size = strlen(c->expected);
    char *match = memmem(bytes, size, c->expected, expected_size);
    if (match == NULL)
        return NULL;
    c->step++;
    take_steps(c);
    return match + expected_size;
}

/* ---- Input of a connection ---- */

static void answer_ping(struct connection *c, const char *line, size_t size)
{
    size_t ping_size = strlen(options.ping);
    if (ping_size == 0 || size < ping_size || memcmp(line, options.ping, ping_size) != 0)
        return;
    while (size > ping_size && line[size - 1] == '\r')
        size--;
    queue_output(c, options.pong, strlen(options.pong));
    queue_output(c, line + ping_size, size - ping_size);
    queue_output(c, "\r\n", 2);
    flush_output(c);
}

/* A reader has seen a message: when it was the last one, the sender may send one more. */
static inline void count_reader(struct sender *sender, uint64_t number, uint64_t latency)
{
    int *seen_by = &sender->seen_by[number % (uint64_t)options.window];
    if (++*seen_by != fan_out)
        return;
    record(&complete_latency, latency);
    sender->credit++;
    if (!sender->runnable) {
        sender->runnable = true;
        runnable_senders[runnable_count++] = sender;
    }
}

static inline bool speaks(const struct connection *c, int member)
{
    return c->index == c->room * options.members + member;
}

/* The number that the next message of a sender of its room must have at this reader. */
static inline uint32_t *next_number_for(const struct connection *c, int member)
{
    return &next_expected[(size_t)c->index * (size_t)options.senders + (size_t)member];
}

/* Checks one delivered message; `header` has at least HEADER_BYTES bytes. */
static void check_delivery(struct connection *c, const char *header, uint64_t now)
{
    uint64_t id, number, sent_at;
    if (!read_hex(header + SENDER_AT, SENDER_DIGITS, &id) ||
        !read_hex(header + NUMBER_AT, NUMBER_DIGITS, &number) ||
        !read_hex(header + TIME_AT, TIME_DIGITS, &sent_at))
        return;
    if (id >= (uint64_t)sender_count || (int)id / options.senders != c->room) {
        seen.misrouted++;
        return;
    }
    int member = (int)id % options.senders;
    if (!options.echo && speaks(c, member)) {
        seen.misrouted++;
        return;
    }
    uint32_t *expected = next_number_for(c, member);
    if (number < *expected) {
        seen.duplicates++;
        return;
    }
    seen.gaps += number - *expected;
    *expected = (uint32_t)number + 1;
    uint64_t latency = now > sent_at ? now - sent_at : 0;
    seen.deliveries++;
    seen.last_delivery = now;
    record(&delivery_latency, latency);
    if (options.window)
        count_reader(&senders[id], number, latency);
}

static void take_line(struct connection *c, char *line, size_t size, uint64_t now)
{
    const char *header = memchr(line, HEADER_MARK, size);
    if (header && (size_t)(line + size - header) >= HEADER_BYTES)
        check_delivery(c, header, now);
    else
        answer_ping(c, line, size);
    if (c->state == HANDSHAKE)
        match_step(c, line, size);
}

/* A prompt without a line end can end a step of the handshake, too. */
static char *take_prompts(struct connection *c, char *at, char *end)
{
    while (c->state == HANDSHAKE && at < end) {
        char *behind = match_step(c, at, (size_t)(end - at));
        if (behind == NULL)
            break;
        at = behind;
    }
    return at;
}

/* Takes what is whole; returns the place behind it. */
static char *take_lines(struct connection *c, char *at, char *end, uint64_t now)
{
    char *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        take_line(c, at, (size_t)(newline - at), now);
        if (c->state == DEAD)
            return at;
        at = newline + 1;
    }
    return take_prompts(c, at, end);
}

static void keep_partial(struct connection *c, const char *bytes, size_t size)
{
    c->partial_size = 0;
    if (size == 0)
        return;
    if (size > MAX_PARTIAL_LINE) {
        kill_connection(c, "the line or frame is too long");
        return;
    }
    reserve(&c->partial, &c->partial_capacity, size);
    memcpy(c->partial, bytes, size);
    c->partial_size = size;
}

/* take_line() would not see the second one. */
static bool has_two_messages(const char *text, size_t size)
{
    const char *header = memchr(text, HEADER_MARK, size);
    size_t left = header ? (size_t)(text + size - header) : 0;
    size_t payload = (size_t)options.payload;
    return left > payload && memchr(header + payload, HEADER_MARK, left - payload) != NULL;
}

static void take_text_frame(struct connection *c, const struct frame *frame, uint64_t now)
{
    char *text = frame->payload;
    size_t size = frame->size;
    if (frame->deflated)
        text = options.deflate ? inflate_payload(text, &size) : NULL;
    if (text == NULL)
        kill_connection(c, "a frame cannot be inflated");
    else if (has_two_messages(text, size))
        kill_connection(c, "a frame has two messages");
    else
        take_line(c, text, size, now);
}

static void send_pong(struct connection *c, const struct frame *ping)
{
    char pong[UINT8_MAX + FRAME_OVERHEAD]; /* control frames are short */
    queue_output(c, pong, write_frame(pong, OPCODE_PONG, false, ping->payload, ping->size));
    flush_output(c);
}

static void take_close(struct connection *c, const struct frame *frame)
{
    char why[UINT8_MAX]; /* control frames are short */
    int code = 0;
    int reason_size = 0;
    if (frame->size >= 2) {
        code = (unsigned char)frame->payload[0] << 8 | (unsigned char)frame->payload[1];
        reason_size = (int)frame->size - 2;
    }
    snprintf(why, sizeof why, "closed by the server: %d %.*s", code, reason_size,
             reason_size ? frame->payload + 2 : "");
    kill_connection(c, why);
}

static void take_frame(struct connection *c, const struct frame *frame, uint64_t now)
{
    if (frame->opcode == OPCODE_TEXT)
        take_text_frame(c, frame, now);
    else if (frame->opcode == OPCODE_PING)
        send_pong(c, frame);
    else if (frame->opcode == OPCODE_CLOSE)
        take_close(c, frame);
}

/* Takes the answer to the upgrade and the frames that are whole; returns the place behind them. */
static char *take_frames(struct connection *c, char *at, char *end, uint64_t now)
{
    const char *fault = NULL;
    char *behind;
    if (c->state == UPGRADING) {
        behind = read_upgrade(at, end, options.deflate, &fault);
        if (behind) {
            at = behind;
            c->state = HANDSHAKE;
            take_steps(c);
        }
    }
    struct frame frame;
    while (c->state > UPGRADING && c->state != DEAD) {
        behind = read_frame(at, end, &frame, &fault);
        if (behind == NULL)
            break;
        take_frame(c, &frame, now);
        at = behind;
    }
    if (fault) {
        keep_partial(c, at, (size_t)(end - at)); /* to be shown */
        kill_connection(c, fault);
    }
    return at;
}

static void read_input(struct connection *c)
{
    static char input[MAX_PARTIAL_LINE + READ_SIZE];
    size_t kept = c->partial_size;
    if (kept > 0)
        memcpy(input, c->partial, kept);
    ssize_t got = recv(c->fd, input + kept, READ_SIZE, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        kill_connection(c, got ? strerror(errno) : "closed by the server");
        return;
    }
    uint64_t now = now_ns();
    seen.last_read = now;
    seen.bytes += (uint64_t)got;
    char *at = input;
    char *end = input + kept + got;
    at = (options.websocket ? take_frames : take_lines)(c, at, end, now);
    if (c->state != DEAD)
        keep_partial(c, at, (size_t)(end - at));
}

/* ---- The event loop ---- */

static void begin_dialogue(struct connection *c)
{
    if (options.websocket) {
        char request[UPGRADE_SIZE];
        c->state = UPGRADING;
        queue_output(c, request, write_upgrade(request, options.host, options.port, options.deflate));
        flush_output(c);
    } else {
        c->state = HANDSHAKE;
        take_steps(c);
    }
}

static void finish_connecting(struct connection *c, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        kill_connection(c, strerror(error));
    } else if (events & EPOLLOUT) {
        watch_output(c, false);
        begin_dialogue(c);
    }
}

static void handle_event(struct connection *c, uint32_t events)
{
    if (c->state == CONNECTING)
        finish_connecting(c, events);
    if (c->state == CONNECTING || c->state == DEAD)
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_input(c);
    if (c->state != DEAD && (events & EPOLLOUT) && c->watches_output)
        flush_output(c);
}

static void poll_once(int timeout_ms)
{
    struct epoll_event events[EVENTS_PER_POLL];
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_POLL, timeout_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == TIMER_EVENT)
            continue; /* it only ends the wait */
        struct connection *c = &connections[events[i].data.u32];
        if (c->state != DEAD)
            handle_event(c, events[i].events);
    }
}

static void poll_for(double seconds, int timeout_ms)
{
    uint64_t begin = now_ns();
    while (seconds_between(begin, now_ns()) < seconds)
        poll_once(timeout_ms);
}

/* ---- What is known of the server and the machine ---- */

static long server_resident_kib(void)
{
    char text[256];
    snprintf(text, sizeof text, "/proc/%d/status", options.pid);
    FILE *file = options.pid ? fopen(text, "r") : NULL;
    if (file == NULL)
        return 0;
    long kib = 0;
    while (fgets(text, sizeof text, file))
        if (sscanf(text, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static double thread_cpu_s(const char *thread)
{
    char path[512];
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", options.pid, thread);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    unsigned long long ns = 0;
    if (fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    fclose(file);
    return (double)ns / 1e9;
}

/* CPU seconds of all threads of the server: nanoseconds, where /proc/PID/stat counts ticks. */
static double server_cpu_s(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", options.pid);
    DIR *directory = options.pid ? opendir(path) : NULL;
    if (directory == NULL)
        return 0;
    double sum = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            sum += thread_cpu_s(entry->d_name);
    closedir(directory);
    return sum;
}

/* User and system seconds of the server, in clock ticks: only to see how they divide. */
static void server_cpu_split(double *user, double *system)
{
    char text[2048];
    *user = 0;
    *system = 0;
    snprintf(text, sizeof text, "/proc/%d/stat", options.pid);
    FILE *file = options.pid ? fopen(text, "r") : NULL;
    if (file == NULL)
        return;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    /* The name, in parentheses, may contain anything: begin behind it. */
    const char *behind_name = strrchr(text, ')');
    unsigned long user_ticks = 0, system_ticks = 0;
    if (behind_name)
        sscanf(behind_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user_ticks, &system_ticks);
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    *user = (double)user_ticks / ticks_per_s;
    *system = (double)system_ticks / ticks_per_s;
}

/* Seconds since boot: all cores busy, all cores stolen, and interrupts of core 0. */
static void machine_cpu(double *busy, double *stolen, double *interrupts_0)
{
    *busy = 0;
    *stolen = 0;
    *interrupts_0 = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL)
        return;
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    char line[512];
    while (fgets(line, sizeof line, file)) {
        char name[16];
        unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
        int fields = sscanf(line, "%15s %llu %llu %llu %llu %llu %llu %llu %llu", name, &user,
                            &nice, &system, &idle, &iowait, &irq, &softirq, &steal);
        if (fields != 9)
            continue;
        if (strcmp(name, "cpu") == 0) {
            *busy = (double)(user + nice + system + irq + softirq) / ticks_per_s;
            *stolen = (double)steal / ticks_per_s;
        } else if (strcmp(name, "cpu0") == 0) {
            *interrupts_0 = (double)(irq + softirq) / ticks_per_s;
        }
    }
    fclose(file);
}

static double own_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double whole = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    return whole + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* All clocks that are read before and after the load. */
struct clocks {
    double server;
    double server_user;
    double server_system;
    double own;
    double machine_busy;
    double machine_stolen;
    double interrupts_0;
};

static struct clocks read_clocks(void)
{
    struct clocks c;
    machine_cpu(&c.machine_busy, &c.machine_stolen, &c.interrupts_0);
    c.server = server_cpu_s();
    server_cpu_split(&c.server_user, &c.server_system);
    c.own = own_cpu_s();
    return c;
}

/* ---- Phase 1: connect and join ---- */

static int connect_unix(struct connection *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, options.unix_path, strlen(options.unix_path));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        fail("socket");
    return connect(c->fd, (const struct sockaddr *)&address, sizeof address);
}

static int connect_tcp(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)options.port);
    inet_pton(AF_INET, options.host, &address.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        fail("socket");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Close with a reset: thousands of sockets in TIME_WAIT would starve the next run of ports. */
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return connect(c->fd, (const struct sockaddr *)&address, sizeof address);
}

static void start_connection(int index)
{
    struct connection *c = &connections[index];
    c->index = index;
    c->room = index / options.members;
    int result = options.unix_path ? connect_unix(c) : connect_tcp(c);
    if (result < 0 && errno != EINPROGRESS) {
        kill_connection(c, strerror(errno));
        return;
    }
    c->watches_output = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    event.data.u32 = (uint32_t)index;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl");
}

static void report_stall(int started)
{
    fprintf(stderr, "chatload: the handshake stalled: %d ready, %d dead\n", ready_count,
            dead_count);
    for (int i = 0; i < started; i++) {
        const struct connection *c = &connections[i];
        if (c->state == READY || c->state == DEAD)
            continue;
        fprintf(stderr, "chatload: connection %d waits in step %d for [%s], read so far: [%.*s]\n",
                i, c->step, c->expected ? c->expected : "", (int)c->partial_size,
                c->partial ? c->partial : "");
        return;
    }
}

static void connect_all(void)
{
    int started = 0;
    int last_ready = 0;
    uint64_t last_progress = now_ns();
    while (ready_count + dead_count < connection_count) {
        while (started < connection_count && started - ready_count - dead_count < options.inflight)
            start_connection(started++);
        poll_once(100);
        uint64_t now = now_ns();
        if (ready_count != last_ready) {
            last_ready = ready_count;
            last_progress = now;
        }
        if (seconds_between(last_progress, now) > options.max_wait) {
            report_stall(started);
            exit(EXIT_NOT_RUN);
        }
    }
}

/* Reads on until what the joins caused has come. */
static void settle(void)
{
    uint64_t begin = now_ns();
    while (seconds_between(seen.last_read, now_ns()) < options.settle &&
           seconds_between(begin, now_ns()) < options.max_wait)
        poll_once(20);
}

/* ---- Phase 2: load ---- */

static struct {
    uint64_t begin;    /* ns */
    uint64_t end;      /* ns, by --duration */
    uint64_t sent;     /* messages */
    uint64_t scheduled; /* messages whose time has come, by --rate */
    uint64_t stopped_at; /* ns; 0: still sending */
    uint64_t max_lag;  /* ns that a message left later than scheduled */
    int timer_fd;
    bool timed_out;
    double seconds;    /* from the first message to the last delivery */
} load;

static struct connection *connection_of(int sender)
{
    int room = sender / options.senders;
    return &connections[room * options.members + sender % options.senders];
}

static const char *payload_text(void)
{
    static char payload[MAX_PAYLOAD];
    static bool prepared;
    if (!prepared) {
        static const char filling[] = "abcdefghijklmnopqrstuvwxyz ";
        for (int i = 0; i < options.payload; i++)
            payload[i] = filling[(i * 7) % ((int)sizeof filling - 1)];
        prepared = true;
    }
    return payload;
}

static void send_message(int id, uint64_t now)
{
    struct sender *sender = &senders[id];
    struct connection *c = connection_of(id);
    char *payload = (char *)payload_text();
    payload[0] = HEADER_MARK;
    write_hex(payload + SENDER_AT, SENDER_DIGITS, (uint64_t)id);
    write_hex(payload + NUMBER_AT, NUMBER_DIGITS, sender->next_number);
    write_hex(payload + TIME_AT, TIME_DIGITS, now);
    if (options.window)
        sender->seen_by[sender->next_number % (uint32_t)options.window] = 0;
    sender->next_number++;
    load.sent++;
    size_t size = expand(options.message, c, payload);
    queue_text(c, expansion, size);
}

static bool all_messages_sent(void)
{
    return options.messages > 0 && load.sent >= (uint64_t)options.messages;
}

/* Senders whose messages every reader has seen send new ones. */
static void send_by_window(uint64_t now)
{
    for (int i = 0; i < runnable_count; i++) {
        struct sender *sender = runnable_senders[i];
        int id = (int)(sender - senders);
        sender->runnable = false;
        struct connection *c = connection_of(id);
        if (c->state != READY)
            continue;
        while (sender->credit > 0 && !all_messages_sent()) {
            sender->credit--;
            send_message(id, now);
        }
        flush_output(c);
    }
    runnable_count = 0;
}

static void wake_at(uint64_t ns)
{
    struct itimerspec when = {.it_interval = {0}};
    when.it_value.tv_sec = (time_t)(ns / NS_PER_S);
    when.it_value.tv_nsec = (long)(ns % NS_PER_S);
    timerfd_settime(load.timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Sends what is due by --rate; the senders take turns. */
static void send_by_rate(uint64_t now)
{
    double interval = 1e9 / options.rate;
    while (!all_messages_sent()) {
        uint64_t due = load.begin + (uint64_t)((double)load.scheduled * interval);
        if (due > now || (options.messages == 0 && due >= load.end)) {
            wake_at(due);
            return;
        }
        if (now - due > load.max_lag)
            load.max_lag = now - due;
        int id = (int)(load.scheduled % (uint64_t)sender_count);
        load.scheduled++;
        struct connection *c = connection_of(id);
        if (c->state != READY)
            continue;
        send_message(id, now_ns());
        flush_output(c);
    }
}

static bool sending_is_over(uint64_t now)
{
    if (dead_count == connection_count)
        return true;
    if (options.messages == 0)
        return now >= load.end;
    uint64_t progress = seen.last_delivery > load.begin ? seen.last_delivery : load.begin;
    return all_messages_sent() || seconds_between(progress, now) > DRAIN_LIMIT_S;
}

static bool draining_is_over(uint64_t now)
{
    if (seen.deliveries + seen.gaps >= load.sent * (uint64_t)fan_out)
        return true;
    if (dead_count == connection_count)
        return true;
    load.timed_out = seconds_between(load.stopped_at, now) > DRAIN_LIMIT_S;
    return load.timed_out;
}

static void prepare_load(void)
{
    if (options.window) {
        for (int i = 0; i < sender_count; i++) {
            senders[i].runnable = true;
            runnable_senders[runnable_count++] = &senders[i];
        }
        return;
    }
    load.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = TIMER_EVENT};
    if (load.timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, load.timer_fd, &event) < 0)
        fail("timerfd");
}

static void run_load(struct clocks *before, struct clocks *after)
{
    prepare_load();
    *before = read_clocks();
    load.begin = now_ns();
    load.end = load.begin + (uint64_t)(options.duration * 1e9);
    for (;;) {
        uint64_t now = now_ns();
        if (!load.stopped_at && sending_is_over(now))
            load.stopped_at = now;
        if (load.stopped_at) {
            if (draining_is_over(now))
                break;
        } else if (options.window) {
            send_by_window(now);
        } else {
            send_by_rate(now);
        }
        poll_once(load.stopped_at ? 20 : 100);
    }
    *after = read_clocks();
    load.seconds = seconds_between(load.begin, seen.last_delivery);
    if (options.rate > 0 && options.messages == 0 && load.seconds < options.duration)
        load.seconds = options.duration; /* the offered rate, not the last gap, is the measure */
    poll_for(STRAGGLER_WATCH_S, 20);
}

static uint64_t count_missing(void)
{
    uint64_t missing = 0;
    for (int i = 0; i < connection_count; i++) {
        const struct connection *c = &connections[i];
        for (int member = 0; member < options.senders; member++) {
            if (!options.echo && speaks(c, member))
                continue;
            uint32_t sent = senders[c->room * options.senders + member].next_number;
            uint32_t next = *next_number_for(c, member);
            if (next < sent)
                missing += sent - next;
        }
    }
    return missing;
}

/* ---- Arguments ---- */

static void add_step(const char *send)
{
    if (options.step_count == MAX_STEPS)
        usage_error("too many steps at: ", send);
    options.steps[options.step_count++] = (struct step){.send = send, .expect = ""};
}

static void add_expectation(const char *expect)
{
    if (options.step_count == 0 || options.steps[options.step_count - 1].expect[0])
        add_step(""); /* only wait */
    options.steps[options.step_count - 1].expect = expect;
}

static void fill_in_irc(void)
{
    if (strcmp(options.dialect, "irc") != 0 || options.step_count > 0)
        return;
    add_step("NICK %n\\r\\nUSER %n 0 * :%n\\r\\n");
    add_expectation(" 001 ");
    add_step("JOIN #%r\\r\\n");
    add_expectation(" 366 ");
    if (options.message == NULL)
        options.message = "PRIVMSG #%r :%p\\r\\n";
    options.ping = "PING ";
    options.pong = "PONG ";
}

static void check_options(void)
{
    struct in_addr address;
    struct sockaddr_un unix_address;
    if (inet_pton(AF_INET, options.host, &address) != 1)
        usage_error("not an IPv4 address: ", options.host);
    if (options.unix_path && strlen(options.unix_path) >= sizeof unix_address.sun_path)
        usage_error("the path is too long: ", options.unix_path);
    if (options.senders > options.members)
        usage_error("a room has more senders than members", "");
    if ((long)options.rooms * options.members > MAX_CONNECTIONS)
        usage_error("too many connections", "");
    if (options.senders > 0 && options.message == NULL)
        usage_error("this dialect needs --send", "");
    if (options.websocket && options.ping[0])
        usage_error("--ping is for lines: the pings of WebSocket are answered anyway", "");
    if (options.deflate && !options.websocket)
        usage_error("--deflate needs --dialect websocket", "");
    if (options.deflate && !CAN_INFLATE)
        usage_error("for --deflate this has to be compiled with -DDEFLATE and linked with -lz", "");
    if (options.rate == 0 && options.window == 0)
        usage_error("--window or --rate is needed", "");
    for (const char *at = options.label; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            usage_error("this label is no JSON text: ", options.label);
}

enum argument_kind { TEXT, WHOLE, REAL, FLAG, STEP, EXPECTATION };

static const struct argument {
    const char *name;
    enum argument_kind kind;
    void *target; /* char *, int, double or bool in options; NULL for a step */
    int lowest;   /* bounds of a whole number */
    int highest;
} ARGUMENTS[] = {
    {"host", TEXT, &options.host, 0, 0},
    {"port", WHOLE, &options.port, 1, 65535},
    {"unix", TEXT, &options.unix_path, 0, 0},
    {"inflight", WHOLE, &options.inflight, 1, MAX_CONNECTIONS},
    {"dialect", TEXT, &options.dialect, 0, 0},
    {"deflate", FLAG, &options.deflate, 0, 0},
    {"step", STEP, NULL, 0, 0},
    {"expect", EXPECTATION, NULL, 0, 0},
    {"send", TEXT, &options.message, 0, 0},
    {"ping", TEXT, &options.ping, 0, 0},
    {"pong", TEXT, &options.pong, 0, 0},
    {"echo", WHOLE, &options.echo, 0, 1},
    {"rooms", WHOLE, &options.rooms, 1, MAX_CONNECTIONS},
    {"members", WHOLE, &options.members, 1, MAX_CONNECTIONS},
    {"senders", WHOLE, &options.senders, 0, MAX_CONNECTIONS},
    {"payload", WHOLE, &options.payload, HEADER_BYTES, MAX_PAYLOAD},
    {"window", WHOLE, &options.window, 0, MAX_WINDOW},
    {"rate", REAL, &options.rate, 0, 0},
    {"duration", REAL, &options.duration, 0, 0},
    {"messages", WHOLE, &options.messages, 0, INT32_MAX},
    {"settle", REAL, &options.settle, 0, 0},
    {"hold", REAL, &options.hold, 0, 0},
    {"maxwait", REAL, &options.max_wait, 0, 0},
    {"pid", WHOLE, &options.pid, 1, INT32_MAX},
    {"label", TEXT, &options.label, 0, 0},
};

enum { ARGUMENT_COUNT = sizeof ARGUMENTS / sizeof ARGUMENTS[0] };

static int whole_number(const struct argument *argument, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *text == 0 || *end != 0)
        usage_error("not a whole number: --", argument->name);
    if (value < argument->lowest || value > argument->highest)
        usage_error("out of its bounds: --", argument->name);
    return (int)value;
}

static double real_number(const struct argument *argument, const char *text)
{
    static const double highest = 1e9;
    char *end;
    double value = strtod(text, &end);
    if (*text == 0 || *end != 0)
        usage_error("not a number: --", argument->name);
    if (!(value >= 0 && value <= highest))
        usage_error("out of its bounds: --", argument->name);
    return value;
}

static void take_argument(const struct argument *argument, const char *value)
{
    switch (argument->kind) {
    case TEXT:
        *(const char **)argument->target = value;
        break;
    case WHOLE:
        *(int *)argument->target = whole_number(argument, value);
        break;
    case REAL:
        *(double *)argument->target = real_number(argument, value);
        break;
    case FLAG:
        *(bool *)argument->target = true;
        break;
    case STEP:
        add_step(value);
        break;
    case EXPECTATION:
        add_expectation(value);
        break;
    }
}

static void read_arguments(int argc, char **argv)
{
    struct option names[ARGUMENT_COUNT + 1] = {0}; /* the last one, empty, ends the list */
    for (int i = 0; i < ARGUMENT_COUNT; i++) {
        names[i].name = ARGUMENTS[i].name;
        names[i].has_arg = ARGUMENTS[i].kind == FLAG ? no_argument : required_argument;
    }
    int which;
    int result;
    while ((result = getopt_long(argc, argv, "", names, &which)) == 0)
        take_argument(&ARGUMENTS[which], optarg);
    if (result == '?')
        exit(EXIT_USAGE); /* getopt_long has said why */
    if (optind < argc)
        usage_error("not an option: ", argv[optind]);
    fill_in_irc();
    options.websocket = strcmp(options.dialect, "websocket") == 0;
    check_options();
    if (options.rate > 0)
        options.window = 0;
}

/* ---- Main ---- */

static void raise_file_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void prepare(void)
{
    connection_count = options.rooms * options.members;
    sender_count = options.rooms * options.senders;
    fan_out = options.echo ? options.members : options.members - 1;
    connections = allocate((size_t)connection_count, sizeof *connections);
    next_expected =
        allocate((size_t)connection_count * (size_t)options.senders, sizeof *next_expected);
    senders = allocate((size_t)sender_count, sizeof *senders);
    runnable_senders = allocate((size_t)sender_count, sizeof *runnable_senders);
    for (int i = 0; i < sender_count; i++) {
        senders[i].seen_by = allocate((size_t)options.window, sizeof(int));
        senders[i].credit = options.window;
    }
    epoll_fd = epoll_create1(0);
    if (epoll_fd < 0)
        fail("epoll_create1");
}

/* What was measured outside the load. */
struct joining {
    double connect_s; /* until the last handshake was done */
    double join_s;    /* until the joins had caused their last line */
    double cpu_s;     /* of the server, until then */
    double hold_cpu_s;
    long rss_before_kib;
    long rss_joined_kib;
};

static double per_second(double count, double seconds)
{
    return seconds > 0 ? count / seconds : 0;
}

static void print_setting(void)
{
    printf("{\"label\":\"%s\",\"rooms\":%d,\"members\":%d,\"senders\":%d,\"payload\":%d,",
           options.label, options.rooms, options.members, options.senders, options.payload);
    printf("\"window\":%d,\"rate\":%g,\"conns\":%d,\"dead\":%d,",
           options.window, options.rate, connection_count, dead_count);
}

static void print_joining(const struct joining *j)
{
    long rss_growth = j->rss_joined_kib - j->rss_before_kib;
    printf("\"conn_s\":%.3f,\"conn_per_s\":%.0f,\"join_s\":%.3f,\"conn_cpu_us\":%.1f,",
           j->connect_s, per_second(connection_count, j->connect_s), j->join_s,
           j->cpu_s * 1e6 / connection_count);
    printf("\"rss0_kb\":%ld,\"rss1_kb\":%ld,\"rss2_kb\":%ld,\"rss_per_conn_kb\":%.2f,",
           j->rss_before_kib, j->rss_joined_kib, server_resident_kib(),
           (double)rss_growth / connection_count);
}

static void print_deliveries(uint64_t missing)
{
    printf("\"sent\":%" PRIu64 ",\"deliveries\":%" PRIu64 ",\"missing\":%" PRIu64 ",", load.sent,
           seen.deliveries, missing);
    printf("\"gaps\":%" PRIu64 ",\"dupes\":%" PRIu64 ",\"misrouted\":%" PRIu64 ",", seen.gaps,
           seen.duplicates, seen.misrouted);
    printf("\"timeout\":%d,\"load_s\":%.3f,\"msgs_per_s\":%.0f,\"deliv_per_s\":%.0f,",
           load.timed_out, load.seconds, per_second((double)load.sent, load.seconds),
           per_second((double)seen.deliveries, load.seconds));
}

static void print_latencies(void)
{
    printf("\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f,",
           quantile_ms(&delivery_latency, 0.5), quantile_ms(&delivery_latency, 0.99),
           quantile_ms(&delivery_latency, 0.999), (double)delivery_latency.max / 1e6);
    printf("\"full_p50_ms\":%.3f,\"full_p99_ms\":%.3f,", quantile_ms(&complete_latency, 0.5),
           quantile_ms(&complete_latency, 0.99));
}

static void print_cpu(const struct clocks *before, const struct clocks *after,
                      const struct joining *j, uint64_t load_bytes)
{
    double server = after->server - before->server;
    double own = after->own - before->own;
    double busy = after->machine_busy - before->machine_busy;
    double deliveries = seen.deliveries ? (double)seen.deliveries : 1;
    printf("\"cpu_s\":%.3f,\"cpu_user\":%.2f,\"cpu_sys\":%.2f,\"us_per_deliv\":%.4f,", server,
           after->server_user - before->server_user, after->server_system - before->server_system,
           server * 1e6 / deliveries);
    printf("\"srv_util\":%.3f,\"gen_util\":%.3f,\"bytes_per_deliv\":%.1f,\"gen_lag_ms\":%.2f,",
           per_second(server, load.seconds), per_second(own, load.seconds),
           (double)load_bytes / deliveries, (double)load.max_lag / 1e6);
    printf("\"idle_cpu_ms\":%.1f,\"other_cpu\":%.2f,\"steal_s\":%.2f,\"softirq0_s\":%.2f}\n",
           j->hold_cpu_s * 1e3, per_second(busy - server - own, load.seconds),
           after->machine_stolen - before->machine_stolen,
           after->interrupts_0 - before->interrupts_0);
}

static struct joining join_all(void)
{
    struct joining j = {.rss_before_kib = server_resident_kib()};
    double cpu_before = server_cpu_s();
    uint64_t begin = now_ns();
    seen.last_read = begin;
    connect_all();
    uint64_t connected = now_ns();
    j.connect_s = seconds_between(begin, connected);
    settle();
    double cpu_settled = server_cpu_s();
    j.cpu_s = cpu_settled - cpu_before;
    j.join_s = seconds_between(begin, seen.last_read > connected ? seen.last_read : connected);
    poll_for(options.hold, 50);
    j.rss_joined_kib = server_resident_kib();
    j.hold_cpu_s = server_cpu_s() - cpu_settled;
    return j;
}

int main(int argc, char **argv)
{
    prepare_hex();
    read_arguments(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    prepare();

    struct joining joining = join_all();
    struct clocks before = {0}, after = {0};
    seen.bytes = 0;
    bool has_load = (options.duration > 0 || options.messages > 0) && sender_count > 0;
    if (has_load && ready_count == connection_count)
        run_load(&before, &after);
    uint64_t missing = count_missing();

    print_setting();
    print_joining(&joining);
    print_deliveries(missing);
    print_latencies();
    print_cpu(&before, &after, &joining, seen.bytes);

    bool intact = missing == 0 && seen.gaps == 0 && seen.duplicates == 0 && seen.misrouted == 0;
    return intact && dead_count == 0 && !load.timed_out ? EXIT_SUCCESS : EXIT_BAD_DELIVERY;
}
