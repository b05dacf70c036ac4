/* barelimit: the least that one core can do for a chat room, as a limit to compare servers with.
 *
 *     cc -O2 -o barelimit barelimit.c
 *     barelimit PORT
 *
 * It listens on 127.0.0.1:PORT and speaks just enough IRC for a load generator: NICK, USER, JOIN
 * of one channel, PRIVMSG to it.  The target of PRIVMSG is not looked at: a message goes to the
 * channel that the client has joined, to everybody but its author.  All messages that one epoll
 * round has read are joined per channel and written to each member with one send().
 *
 * It checks nothing, stores nothing and never reads less from a client whose readers are slow.
 * Not a chat server: for measurements on one machine only.
 *
 * Exit codes: 1 when it cannot listen or memory runs out, 2 for wrong arguments; otherwise it
 * runs until a signal ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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
#include <unistd.h>

enum { EXIT_NOT_RUN = 1, EXIT_USAGE = 2 };

enum {
    MAX_DESCRIPTORS = 1 << 17,
    MAX_ROOMS = 1 << 13,
    ROOM_SLOTS = 2 * MAX_ROOMS, /* of the hash table: a power of two, at most half full */
    NAME_SIZE = 32,             /* bytes of a nickname or channel name, with its final zero */
    REPLY_SIZE = 128,
    READ_SIZE = 64 * 1024,
    MAX_PARTIAL_LINE = 64 * 1024, /* a client that sends a longer line is closed */
    KEPT_OUTPUT = 64 * 1024,      /* a larger output buffer is freed when it is empty */
    FLUSH_SIZE = 60 * 1000,       /* a room with more bytes than this is flushed at once */
    SEARCHED_PIECES = 256,        /* with more pieces, looking for one's own costs too much */
    EVENTS_PER_ROUND = 512,
    BACKLOG = 4096,
};

struct buffer {
    char *bytes;
    size_t size;
    size_t capacity;
};

struct client {
    int fd;
    char nick[NAME_SIZE];
    size_t nick_size;
    struct room *room;     /* NULL: not joined yet */
    int place;             /* in room->members */
    struct buffer partial; /* a line whose end has not come yet */
    struct buffer output;  /* what the kernel has not taken yet, from output_sent on */
    size_t output_sent;
    bool watches_output; /* epoll tells when the socket can be written */
};

/* One message in the pending bytes of a room. */
struct piece {
    size_t begin;
    size_t size;
    const struct client *author; /* NULL: has left */
};

struct room {
    char name[NAME_SIZE];
    struct client **members;
    int member_count;
    int member_capacity;
    struct buffer pending; /* the messages of this round, joined */
    struct piece *pieces;
    int piece_count;
    int piece_capacity;
    bool dirty; /* stands in dirty_rooms */
};

static struct client *clients[MAX_DESCRIPTORS]; /* by descriptor */
static struct room rooms[MAX_ROOMS];
static int room_count;
static struct room *room_slots[ROOM_SLOTS]; /* hash table with linear probing */
static struct room *dirty_rooms[MAX_ROOMS];
static int dirty_count;
static int epoll_fd;

/* ---- Errors and buffers ---- */

static void fail(const char *what)
{
    fprintf(stderr, "barelimit: %s: %s\n", what, strerror(errno));
    exit(EXIT_NOT_RUN);
}

static void *resize(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (memory == NULL)
        fail("realloc");
    return memory;
}

static void reserve(struct buffer *b, size_t more)
{
    if (b->size + more <= b->capacity)
        return;
    b->capacity = (b->size + more) * 2;
    b->bytes = resize(b->bytes, b->capacity);
}

static void append(struct buffer *b, const void *bytes, size_t size)
{
    reserve(b, size);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void release(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){0};
}

/* ---- Output ---- */

static void watch_output(struct client *c, bool watch)
{
    if (c->watches_output == watch)
        return;
    c->watches_output = watch;
    struct epoll_event event = {.events = EPOLLIN | (watch ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static bool has_output(const struct client *c)
{
    return c->output_sent < c->output.size;
}

/* Returns the bytes that the kernel took; an error shows when the client is read. */
static size_t send_now(struct client *c, const char *bytes, size_t size)
{
    ssize_t taken = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return taken > 0 ? (size_t)taken : 0;
}

static void write_client(struct client *c, const char *bytes, size_t size)
{
    if (!has_output(c)) {
        size_t taken = send_now(c, bytes, size);
        if (taken == size)
            return;
        bytes += taken;
        size -= taken;
    }
    append(&c->output, bytes, size);
    watch_output(c, true);
}

static void flush_client(struct client *c)
{
    while (has_output(c)) {
        size_t left = c->output.size - c->output_sent;
        size_t taken = send_now(c, c->output.bytes + c->output_sent, left);
        if (taken == 0)
            return;
        c->output_sent += taken;
    }
    c->output_sent = 0;
    c->output.size = 0;
    if (c->output.capacity > KEPT_OUTPUT)
        release(&c->output);
    watch_output(c, false);
}

/* ---- Rooms ---- */

static struct room *create_room(const char *name, size_t size)
{
    if (room_count == MAX_ROOMS)
        return NULL;
    struct room *room = &rooms[room_count++];
    memcpy(room->name, name, size);
    room->name[size] = 0;
    return room;
}

/* The room of this name, created if need be; NULL if there are too many or the name is too long. */
static struct room *find_room(const char *name, size_t size)
{
    if (size >= NAME_SIZE)
        return NULL;
    unsigned slot = 5381;
    for (size_t i = 0; i < size; i++)
        slot = slot * 33 + (unsigned char)name[i];
    for (slot %= ROOM_SLOTS; room_slots[slot]; slot = (slot + 1) % ROOM_SLOTS) {
        struct room *room = room_slots[slot];
        if (strlen(room->name) == size && memcmp(room->name, name, size) == 0)
            return room;
    }
    room_slots[slot] = create_room(name, size);
    return room_slots[slot];
}

static void add_member(struct room *room, struct client *c)
{
    if (room->member_count == room->member_capacity) {
        room->member_capacity = room->member_capacity ? room->member_capacity * 2 : 16;
        size_t size = (size_t)room->member_capacity * sizeof *room->members;
        room->members = resize(room->members, size);
    }
    c->room = room;
    c->place = room->member_count;
    room->members[room->member_count++] = c;
}

static void remove_member(struct client *c)
{
    struct room *room = c->room;
    room->members[c->place] = room->members[--room->member_count];
    room->members[c->place]->place = c->place;
    for (int i = 0; i < room->piece_count; i++)
        if (room->pieces[i].author == c)
            room->pieces[i].author = NULL;
}

static bool may_be_author(const struct room *room, const struct client *c)
{
    if (room->piece_count > SEARCHED_PIECES)
        return true;
    for (int i = 0; i < room->piece_count; i++)
        if (room->pieces[i].author == c)
            return true;
    return false;
}

/* Nobody hears itself: an author gets the pieces of the others. */
static void write_without_own(const struct room *room, struct client *c)
{
    static struct buffer others;
    others.size = 0;
    for (int i = 0; i < room->piece_count; i++) {
        const struct piece *piece = &room->pieces[i];
        if (piece->author != c)
            append(&others, room->pending.bytes + piece->begin, piece->size);
    }
    if (others.size > 0)
        write_client(c, others.bytes, others.size);
}

static void flush_room(struct room *room)
{
    for (int i = 0; i < room->member_count; i++) {
        struct client *c = room->members[i];
        if (may_be_author(room, c))
            write_without_own(room, c);
        else
            write_client(c, room->pending.bytes, room->pending.size);
    }
    room->pending.size = 0;
    room->piece_count = 0;
}

static void flush_dirty_rooms(void)
{
    for (int i = 0; i < dirty_count; i++) {
        struct room *room = dirty_rooms[i];
        room->dirty = false;
        if (room->pending.size > 0)
            flush_room(room);
    }
    dirty_count = 0;
}

static void add_piece(struct room *room, const struct client *author, size_t begin)
{
    if (room->piece_count == room->piece_capacity) {
        room->piece_capacity = room->piece_capacity ? room->piece_capacity * 2 : 64;
        room->pieces = resize(room->pieces, (size_t)room->piece_capacity * sizeof *room->pieces);
    }
    struct piece piece = {.begin = begin, .size = room->pending.size - begin, .author = author};
    room->pieces[room->piece_count++] = piece;
}

/* ---- Commands ---- */

static void say(struct client *c, const char *line, size_t size)
{
    static const char host[] = "!u@127.0.0.1 ";
    struct room *room = c->room;
    if (room == NULL)
        return;
    size_t begin = room->pending.size;
    append(&room->pending, ":", 1);
    append(&room->pending, c->nick, c->nick_size);
    append(&room->pending, host, sizeof host - 1);
    append(&room->pending, line, size);
    append(&room->pending, "\r\n", 2);
    add_piece(room, c, begin);
    if (!room->dirty) {
        room->dirty = true;
        dirty_rooms[dirty_count++] = room;
    }
    if (room->pending.size > FLUSH_SIZE)
        flush_room(room);
}

static void set_nick(struct client *c, const char *nick, size_t size)
{
    c->nick_size = size < NAME_SIZE ? size : NAME_SIZE - 1;
    memcpy(c->nick, nick, c->nick_size);
    c->nick[c->nick_size] = 0;
}

static void welcome(struct client *c)
{
    char reply[REPLY_SIZE];
    int size = snprintf(reply, sizeof reply, ":s 001 %s :hi\r\n", c->nick);
    write_client(c, reply, (size_t)size);
}

static void join(struct client *c, const char *name, size_t size)
{
    struct room *room = c->room ? NULL : find_room(name, size);
    if (room == NULL)
        return;
    add_member(room, c);
    char reply[REPLY_SIZE];
    int reply_size = snprintf(reply, sizeof reply, ":s 366 %s %s :End\r\n", c->nick, room->name);
    write_client(c, reply, (size_t)reply_size);
}

static bool has_command(const char *line, size_t size, const char *command)
{
    size_t command_size = strlen(command);
    return size > command_size && memcmp(line, command, command_size) == 0;
}

static void take_line(struct client *c, const char *line, size_t size)
{
    enum { PARAMETER_AT = 5 }; /* behind "NICK " and "JOIN " */
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (has_command(line, size, "PRIVMSG "))
        say(c, line, size);
    else if (has_command(line, size, "NICK "))
        set_nick(c, line + PARAMETER_AT, size - PARAMETER_AT);
    else if (has_command(line, size, "USER "))
        welcome(c);
    else if (has_command(line, size, "JOIN "))
        join(c, line + PARAMETER_AT, size - PARAMETER_AT);
}

/* ---- Clients ---- */

static void open_client(int fd)
{
    if (fd >= MAX_DESCRIPTORS) {
        close(fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        fail("calloc");
    c->fd = fd;
    clients[fd] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void close_client(struct client *c)
{
    if (c->room)
        remove_member(c);
    clients[c->fd] = NULL;
    close(c->fd);
    release(&c->partial);
    release(&c->output);
    free(c);
}

static void accept_clients(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        open_client(fd);
}

static void read_client(struct client *c)
{
    static char input[MAX_PARTIAL_LINE + READ_SIZE];
    size_t kept = c->partial.size;
    if (kept > 0)
        memcpy(input, c->partial.bytes, kept);
    ssize_t got = recv(c->fd, input + kept, READ_SIZE, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_client(c);
        return;
    }
    char *at = input;
    char *end = input + kept + got;
    char *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        take_line(c, at, (size_t)(newline - at));
        at = newline + 1;
    }
    c->partial.size = 0;
    if (end - at > MAX_PARTIAL_LINE)
        close_client(c);
    else if (at < end)
        append(&c->partial, at, (size_t)(end - at));
}

/* ---- Main ---- */

static int listen_on(uint16_t port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0)
        fail("socket");
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (listen(listener, BACKLOG) < 0)
        fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    return listener;
}

static void handle_event(int fd, uint32_t events)
{
    struct client *c = clients[fd];
    if (c == NULL)
        return; /* closed earlier in this round */
    if (events & EPOLLOUT)
        flush_client(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_client(c);
}

static void run(int listener)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_PER_ROUND, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_clients(listener);
            else
                handle_event(events[i].data.fd, events[i].events);
        }
        flush_dirty_rooms();
    }
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long port = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    if (port < 1 || port > UINT16_MAX || *end != 0) {
        fprintf(stderr, "usage: barelimit PORT\n");
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    epoll_fd = epoll_create1(0);
    if (epoll_fd < 0)
        fail("epoll_create1");
    run(listen_on((uint16_t)port));
}
