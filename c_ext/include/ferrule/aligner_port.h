/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_ALIGNER_PORT_H
#define FERRULE_ALIGNER_PORT_H

/* What the core asks of a compiler beyond C99. An unknown one is refused, never served something weaker. */

#if defined(__GNUC__) /* GCC and clang */

/* Even a freestanding implementation has these two. */
#define ALN_COPY(to, from, bytes) ((void)__builtin_memcpy((to), (from), (bytes)))
#define ALN_MOVE(to, from, bytes) ((void)__builtin_memmove((to), (from), (bytes)))

/* Ordered access to a 32-bit word that an interrupt or another thread shares. What was written before the release is
 * seen after the acquire that reads it, and no access moves across. */
#define ALN_LOAD_ACQUIRE(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define ALN_STORE_RELEASE(word, value) __atomic_store_n((word), (value), __ATOMIC_RELEASE)

/* A copy for each caller whose arguments are constants; not where size matters more. */
#if defined(__OPTIMIZE_SIZE__)
#define ALN_INLINE static inline
#else
#define ALN_INLINE static inline __attribute__((always_inline))
#endif

#else
#error "aligner_port.h: this compiler is not known; say here how it copies, moves, orders and inlines"
#endif

#endif
