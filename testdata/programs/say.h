/* What the programs in this folder share: one line per creation, and a few helpers.
 *
 *     made <thread|process> parent <tid> child <tid>
 *
 * The parent is the TID that called clone, fork or vfork. Each line is one write(2), so lines of
 * several threads and processes do not mix. The environment variable LOG says where lines go: a
 * number is a file descriptor, anything else a file to append to. Without LOG they go to stdout,
 * or nowhere in programs whose stdout has another use: those call say_made_if_log.
 *
 * Nothing in say_made touches the C library's state, so raw clones that share a thread's TLS and
 * children of vfork may call it.
 */
#ifndef SAY_H
#define SAY_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE first"
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int say_fd = STDOUT_FILENO;
static int say_log; /* whether LOG is set */

UNUSED static int my_tid(void) { return (int)syscall(SYS_gettid); }

UNUSED __attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(99);
}

__attribute__((constructor)) static void say_open(void) {
	const char *log = getenv("LOG");
	if (!log || !*log)
		return;
	say_log = 1;
	char *end;
	long fd = strtol(log, &end, 10);
	say_fd = *end == '\0' ? (int)fd : open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (say_fd < 0)
		die("cannot open the log %s: %s", log, strerror(errno));
}

static char *say_text(char *at, const char *text) {
	while (*text)
		*at++ = *text++;
	return at;
}

static char *say_number(char *at, unsigned long number, unsigned base) {
	char digits[24];
	int count = 0;
	do
		digits[count++] = "0123456789abcdef"[number % base];
	while (number /= base);
	while (count)
		*at++ = digits[--count];
	return at;
}

/* A `made` line, and ` case <name> flags 0x<hex>` behind it if there is a name. */
UNUSED static void say_made_case(const char *kind, int parent, int child, const char *name,
				 unsigned long flags) {
	char line[200], *at = line;
	at = say_text(at, "made ");
	at = say_text(at, kind);
	at = say_text(at, " parent ");
	at = say_number(at, (unsigned long)parent, 10);
	at = say_text(at, " child ");
	at = say_number(at, (unsigned long)child, 10);
	if (name) {
		at = say_text(at, " case ");
		at = say_text(at, name);
		at = say_text(at, " flags 0x");
		at = say_number(at, flags, 16);
	}
	*at++ = '\n';
	while (write(say_fd, line, (size_t)(at - line)) < 0)
		if (errno != EINTR)
			_exit(98);
}

UNUSED static void say_made(const char *kind, int parent, int child) {
	say_made_case(kind, parent, child, NULL, 0);
}

UNUSED static void say_made_if_log(const char *kind, int parent, int child) {
	if (say_log)
		say_made(kind, parent, child);
}

/* One line on stdout, in one write. */
UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
	char line[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	while (write(STDOUT_FILENO, line, (size_t)length) < 0)
		if (errno != EINTR)
			_exit(98);
}

UNUSED static uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sleeps that long, however many signals interrupt it. */
UNUSED static void sleep_ms(long ms) {
	struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

UNUSED static void sleep_for_ever(void) {
	for (;;)
		pause();
}

/* The number in argv[index], or a default where there is none; below `least` it is an error. */
UNUSED static long number_arg(int argc, char **argv, int index, long least, long missing) {
	if (index >= argc)
		return missing;
	char *end;
	long number = strtol(argv[index], &end, 10);
	if (!*argv[index] || *end || number < least)
		die("argument %d: a number from %ld on is needed, not \"%s\"", index, least, argv[index]);
	return number;
}

/* This program's path. Executing it, unlike /proc/self/exe itself, keeps the name (comm). */
UNUSED static const char *own_path(void) {
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	if (length < 0)
		die("cannot read /proc/self/exe: %s", strerror(errno));
	path[length] = '\0';
	return path;
}

/* pthread_create with a small stack, so that thousands fit. */
UNUSED static pthread_t start_thread(void *(*run)(void *), void *arg, int detached) {
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	pthread_attr_setguardsize(&attr, 0); /* one mapping less for each */
	if (detached)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_t thread;
	int error = pthread_create(&thread, &attr, run, arg);
	/* Chains end threads faster than a busy kernel clears them away: then TIDs run out for a while. */
	for (int i = 0; error == EAGAIN && i < 10000; i++) {
		sleep_ms(1);
		error = pthread_create(&thread, &attr, run, arg);
	}
	if (error)
		die("cannot create a thread: %s", strerror(error));
	pthread_attr_destroy(&attr);
	return thread;
}

/* A TID as a thread's argument and back. */
UNUSED static void *as_arg(long number) { return (void *)(intptr_t)number; }
UNUSED static long from_arg(void *arg) { return (long)(intptr_t)arg; }

#endif
