// SPDX-License-Identifier: Apache-2.0
/*
 * Debezium's Redis store (contract §5.5, §6.2): HSET <key> <offset key> <offset value>, and beside it, of our own:
 *
 *   <key>:tailrace                hash  <offset key> -> our own record (source identity)
 *   <key>:tailrace:lock:<prefix>  text  token and holder, expires after TR_REDIS_LOCK_MS, renewed every third of it
 *
 * A record is loaded only with the offset that it was written with. Both are written by one script, which also checks that
 * the lock is ours and that the offset is what we last read or wrote. Until it was ready for the first time the store
 * retries by itself and then gives up (TR_STOP); later a lost connection fails the command with TR_RETRY and is made anew in
 * the background, so that the lock lives on.
 * @thread the reactor's
 */
#ifndef TR_OFFSETS_STORE_REDIS_H
#define TR_OFFSETS_STORE_REDIS_H

#include "engine/fault.h"
#include "engine/reactor.h"
#include "offsets/store.h"

#define TR_REDIS_LOCK_MS 30000

/* Names after `offset.storage.redis.`; all texts are borrowed during open. Times must be set (contract §5.5's defaults). */
struct tr_store_redis_options {
    const char *address; /* host:port */
    const char *user;    /* NULL or empty = none, as the password */
    const char *password;
    uint32_t db_index;
    const char *key;           /* "metadata:debezium:offsets" */
    struct tr_span offset_key; /* JSON text (tr_position_write_key) */
    struct tr_span topic_prefix;
    bool tls; /* ssl.enabled */
    bool tls_no_verify;
    bool tls_no_hostname_verify;
    const char
        *tls_ca_path; /* PEM files; NULL = the system's authorities, no certificate of ours */
    const char *tls_cert_path;
    const char *tls_key_path;
    int64_t connect_timeout_ns; /* connection.timeout.ms, 2000 */
    int64_t socket_timeout_ns;  /* socket.timeout.ms, 2000 */
    int64_t retry_delay_ns_min; /* retry.initial.delay.ms, 300 */
    int64_t retry_delay_ns_max; /* retry.max.delay.ms, 10000 */
    uint32_t
        retry_attempts_max; /* retry.max.attempts, 10: before the store was ready for the first time */
    int64_t
        retry_until_ns; /* startup.wait.ms: not given up before, whatever the attempts; 0 = attempts alone */
    bool wait_enabled;      /* wait for one replica after each save */
    int64_t wait_timeout_ns;     /* wait.timeout.ms, 1000 */
    bool wait_retry_enabled;     /* false: a replica that does not answer is a warning */
    int64_t wait_retry_delay_ns; /* wait.retry.delay.ms, 1000 */
    bool read_only;              /* no lock, saving is a bug */
    bool
        no_lock_wait; /* a lock that is held is an error at once: for commands, which somebody waits for */
    struct tr_reactor *reactor; /* borrows */
    struct tr_fault *
        fault; /* borrows; raised when the lock is lost to another instance. NULL: told at the next command */
};

/*
 * Opens the store; connects with the first command.
 * Errors: TR_ERR_CONFIG (address, TLS files), TR_ERR_SYSTEM. Later: TR_ERR_STATE naming the address; TR_ERR_LOCKED naming
 * key, holder and how to free it, after the lock had its time to expire.
 * Close it while the reactor is open: it gives the lock back (half a second at most).
 */
TR_NODISCARD enum tr_code tr_store_redis_open(struct tr_store *store,
                                              const struct tr_store_redis_options *options,
                                              struct tr_error *err);

#endif
