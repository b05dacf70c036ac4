/* The client's end of WebSocket (RFC 6455), with messages that are deflated one by one (RFC 7692).
 * Nothing here knows of sockets: bytes in, bytes out. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

enum opcode {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

enum {
    UPGRADE_SIZE = 512,  /* bytes that the request for the upgrade takes at most */
    FRAME_OVERHEAD = 20, /* bytes that a frame of the client is longer than its payload, at most */
};

/* A frame of the server. */
struct frame {
    enum opcode opcode;
    bool deflated;
    char *payload; /* in the bytes that were read */
    size_t size;   /* of the payload, in bytes */
};

/* Whether inflate() works: compiled with -DDEFLATE, linked with -lz. */
extern const bool CAN_INFLATE;

/* Writes the request for the upgrade, with a key of its own; returns its size in bytes. */
size_t write_upgrade(char *text, const char *host, int port, bool deflate);

/* Reads the answer to it.  Returns the place behind it, or NULL: with *fault NULL it is not whole
 * yet, otherwise *fault says why this is no connection. */
char *read_upgrade(char *at, char *end, bool deflate, const char **fault);

/* Writes a masked frame; returns its size, at most that of the payload and FRAME_OVERHEAD.
 * `deflated`: the payload becomes a stored block of deflate, which the server has to inflate as
 * any other, and which costs the client nothing.  Above 65535 bytes it stays as it is. */
size_t write_frame(char *target, enum opcode opcode, bool deflated, const char *payload,
                   size_t size);

/* Reads a frame.  Returns the place behind it, or NULL: with *fault NULL it is not whole yet,
 * otherwise *fault says what is wrong with it. */
char *read_frame(char *at, char *end, struct frame *frame, const char **fault);

/* Inflates the payload of a deflated frame; nothing is known of earlier ones.  Returns the text,
 * which stays until the next call, and sets *size; NULL if it is damaged or above 1 MiB. */
char *inflate_payload(char *payload, size_t *size);

#endif
