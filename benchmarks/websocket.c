#define _GNU_SOURCE
#include "websocket.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* The first two bytes of a frame (RFC 6455, 5.2). */
enum {
    FIN = 0x80,
    RSV1 = 0x40, /* deflated (RFC 7692, 6) */
    RSV2_RSV3 = 0x30,
    OPCODE_BITS = 0x0f,
    MASKED = 0x80,
    SIZE_BITS = 0x7f,
    SIZE_16 = 126, /* the size is in the next two bytes */
    SIZE_64 = 127, /* in the next eight bytes */
    SMALL_SIZE = 125,
};

enum { KEY_BYTES = 16, STORED_SIZE = 65535, INFLATED_SIZE = 1024 * 1024 };

/* ---- Random numbers ---- */

/* Masks and keys have to differ, not to be secret: nothing between here and the server reads them.
 * This is xorshift64*. */
static uint32_t random_word(void)
{
    static uint64_t state;
    while (state == 0)
        if (getrandom(&state, sizeof state, 0) != (ssize_t)sizeof state)
            abort();
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}

/* ---- Upgrade ---- */

static const char *new_key(void)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[(KEY_BYTES + 2) / 3 * 4 + 1]; /* base64 */
    unsigned char bytes[KEY_BYTES + 2] = {0};
    for (int i = 0; i < KEY_BYTES; i++)
        bytes[i] = (unsigned char)random_word();
    char *to = text;
    for (int i = 0; i < KEY_BYTES; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = letters[bits >> shift & 63];
    }
    memcpy(to - 2, "==", 3); /* 16 bytes leave two places empty */
    return text;
}

size_t write_upgrade(char *text, const char *host, int port, bool deflate)
{
    static const char extension[] =
        "Sec-WebSocket-Extensions: permessage-deflate;"
        " client_no_context_takeover; server_no_context_takeover\r\n";
    int size = snprintf(text, UPGRADE_SIZE,
                        "GET /ws HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: %s\r\n%s\r\n",
                        host, port, new_key(), deflate ? extension : "");
    return (size_t)size;
}

static bool contains(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

char *read_upgrade(char *at, char *end, bool deflate, const char **fault)
{
    static const char status[] = "HTTP/1.1 101 ";
    *fault = NULL;
    char *empty_line = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (empty_line == NULL)
        return NULL;
    size_t size = (size_t)(empty_line - at);
    if (size < sizeof status || memcmp(at, status, sizeof status - 1) != 0)
        *fault = "the server refuses the upgrade";
    else if (contains(at, size, "permessage-deflate") != deflate)
        *fault = deflate ? "the server doesn't deflate" : "the server deflates unasked";
    else if (deflate && !contains(at, size, "server_no_context_takeover"))
        *fault = "the server wants earlier messages to be remembered";
    return *fault ? NULL : empty_line + 4;
}

/* ---- Frames of the client ---- */

/* A number in network order. */
static char *put_number(char *at, uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        *at++ = (char)(value >> shift);
    return at;
}

static char *put_size(char *at, size_t size)
{
    if (size <= SMALL_SIZE)
        return put_number(at, MASKED | size, 1);
    if (size <= UINT16_MAX)
        return put_number(put_number(at, MASKED | SIZE_16, 1), size, 2);
    return put_number(put_number(at, MASKED | SIZE_64, 1), size, 8);
}

/* One stored block, and the first byte of the empty one that RFC 7692, 7.2.1 cuts the rest off. */
static char *put_stored(char *at, const char *bytes, size_t size)
{
    const unsigned char header[] = {0, (unsigned char)size, (unsigned char)(size >> 8),
                                    (unsigned char)~size, (unsigned char)(~size >> 8)};
    memcpy(at, header, sizeof header);
    at += sizeof header;
    memcpy(at, bytes, size);
    at[size] = 0;
    return at + size + 1;
}

static void mask(char *bytes, size_t size, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + sizeof wide <= size; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        word ^= wide;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (size_t k = 0; i + k < size; k++)
        bytes[i + k] = (char)(bytes[i + k] ^ ((const char *)&wide)[k]);
}

size_t write_frame(char *target, enum opcode opcode, bool deflated, const char *payload,
                   size_t size)
{
    enum { STORED_EXTRA = 6 };
    deflated = deflated && size <= STORED_SIZE;
    size_t sent_size = deflated ? size + STORED_EXTRA : size;
    uint32_t key = random_word();
    char *at = put_number(target, FIN | (deflated ? RSV1 : 0) | (uint64_t)opcode, 1);
    at = put_size(at, sent_size);
    memcpy(at, &key, sizeof key);
    at += sizeof key;
    if (deflated)
        put_stored(at, payload, size);
    else
        memcpy(at, payload, size);
    mask(at, sent_size, key);
    return (size_t)(at - target) + sent_size;
}

/* ---- Frames of the server ---- */

static const char *fault_of(unsigned char first, unsigned char second)
{
    enum opcode opcode = first & OPCODE_BITS;
    if (second & MASKED)
        return "the server masks its frames";
    if (first & RSV2_RSV3)
        return "a frame has a bit that nothing was agreed about";
    if (!(first & FIN) || opcode == OPCODE_CONTINUATION)
        return "a message comes in several frames, which is not read here";
    if (opcode != OPCODE_TEXT && opcode < OPCODE_CLOSE)
        return "a frame is not text";
    if (opcode >= OPCODE_CLOSE && ((second & SIZE_BITS) > SMALL_SIZE || first & RSV1))
        return "a control frame is too long, or deflated";
    return NULL;
}

static uint64_t take_number(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

char *read_frame(char *at, char *end, struct frame *frame, const char **fault)
{
    *fault = NULL;
    if (end - at < 2)
        return NULL;
    unsigned char first = (unsigned char)at[0];
    unsigned char second = (unsigned char)at[1];
    *fault = fault_of(first, second);
    if (*fault)
        return NULL;
    uint64_t size = second & SIZE_BITS;
    int size_bytes = size == SIZE_64 ? 8 : size == SIZE_16 ? 2 : 0;
    at += 2;
    if (end - at < size_bytes)
        return NULL;
    if (size_bytes)
        size = take_number(at, size_bytes);
    at += size_bytes;
    if (size > (uint64_t)(end - at))
        return NULL;
    frame->opcode = first & OPCODE_BITS;
    frame->deflated = (first & RSV1) != 0;
    frame->payload = at;
    frame->size = (size_t)size;
    return at + size;
}

/* ---- Inflating ---- */

#ifdef DEFLATE
#include <zlib.h>

const bool CAN_INFLATE = true;

/* Hands bytes to zlib; false if they are damaged, or more comes out than there is room for. */
static bool feed(z_stream *stream, void *bytes, size_t size)
{
    stream->next_in = bytes;
    stream->avail_in = (uInt)size;
    int result = inflate(stream, Z_SYNC_FLUSH);
    return (result == Z_OK || result == Z_BUF_ERROR) && stream->avail_in == 0 &&
           stream->avail_out > 0;
}

/* Inflates into `text`, which has INFLATED_SIZE + 1 bytes; false if that doesn't work. */
static bool inflate_anew(char *payload, size_t payload_size, char *text, size_t *size)
{
    static z_stream stream;
    static bool prepared;
    static unsigned char cut_off[] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692, 7.2.2 */
    if (!prepared && inflateInit2(&stream, -MAX_WBITS) != Z_OK) /* negative: no header of zlib */
        return false;
    prepared = true;
    inflateReset(&stream);
    stream.next_out = (Bytef *)text;
    stream.avail_out = INFLATED_SIZE + 1;
    if (!feed(&stream, payload, payload_size) || !feed(&stream, cut_off, sizeof cut_off))
        return false;
    *size = INFLATED_SIZE + 1 - stream.avail_out;
    return true;
}

/* What was inflated lately.  All readers of a message are sent the same bytes, and zlib takes a
 * microsecond for a hundred of them: the generator would be the limit, not the server. */
enum { SLOT_BITS = 13, SLOT_BYTES = 1000 };

static struct slot {
    size_t payload_size; /* 0: nothing is here */
    size_t size;
    char bytes[SLOT_BYTES]; /* the payload, and what it inflates to */
} slots[1 << SLOT_BITS];

static struct slot *slot_of(const char *payload, size_t size)
{
    uint64_t hash = size;
    for (size_t i = 0; i < size; i += sizeof hash) {
        uint64_t word = 0;
        memcpy(&word, payload + i, size - i < sizeof word ? size - i : sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return &slots[hash & ((1 << SLOT_BITS) - 1)];
}

static void fill_slot(struct slot *slot, const char *payload, size_t payload_size,
                      const char *text, size_t size)
{
    if (payload_size + size > SLOT_BYTES)
        return;
    slot->payload_size = payload_size;
    slot->size = size;
    memcpy(slot->bytes, payload, payload_size);
    memcpy(slot->bytes + payload_size, text, size);
}

char *inflate_payload(char *payload, size_t *size)
{
    static char text[INFLATED_SIZE + 1];
    size_t payload_size = *size;
    struct slot *slot = slot_of(payload, payload_size);
    if (payload_size > 0 && slot->payload_size == payload_size &&
        memcmp(slot->bytes, payload, payload_size) == 0) {
        *size = slot->size;
        return slot->bytes + payload_size;
    }
    if (!inflate_anew(payload, payload_size, text, size))
        return NULL;
    fill_slot(slot, payload, payload_size, text, *size);
    return text;
}
#else
const bool CAN_INFLATE = false;

char *inflate_payload(char *payload, size_t *size)
{
    (void)payload;
    (void)size;
    return NULL;
}
#endif
