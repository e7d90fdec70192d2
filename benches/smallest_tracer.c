/* The smallest tracer that records what tidrec must: a yardstick for its cost, not a product.
 *
 *     smallest_tracer [follow|detach] CMD ARG…      (build: cc -O2 -Wall -Wextra -o …)
 *
 * Per creation it asks for what an honest record needs (the new TID, the flags, the creator's pc)
 * and puts 32 bytes into memory; they go to the file that the environment variable OUT names, if
 * it is set, once all tracees have ended. `follow` (the default) keeps newborns, `detach` lets them
 * go at their first stop. Exits as CMD did: its code, or 128 + its signal; 127 if there is no CMD.
 *
 * See ptrace(2). PTRACE_SEIZE, so that PTRACE_LISTEN can keep a group-stopped tracee stopped.
 */
#define _GNU_SOURCE
#include <elf.h> /* NT_PRSTATUS */
#include <errno.h>
#include <linux/sched.h> /* struct clone_args */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
typedef struct user_regs_struct registers;
#define PC(r) ((r)->rip)
#define NUMBER(r) ((r)->orig_rax)
#define ARG(r) ((r)->rdi)
#elif defined(__aarch64__)
typedef struct user_regs_struct registers;
#define PC(r) ((r)->pc)
#define NUMBER(r) ((r)->regs[8])
#define ARG(r) ((r)->regs[0])
#endif

struct record {
	uint64_t time_ns;
	uint32_t parent, child;
	uint64_t flags, pc;
};
_Static_assert(sizeof(struct record) == 32, "a record is 32 bytes");

static struct record *records;
static size_t count, room;

static void fail(const char *what) {
	perror(what);
	exit(2);
}

/* The flags as clone(2) takes them, the exit signal in the lowest byte. */
static uint64_t flags_of(pid_t tid, const registers *regs) {
	struct clone_args args = {0};
	struct iovec here = {&args, 64}; /* CLONE_ARGS_SIZE_VER0 */
	struct iovec there = {(void *)(uintptr_t)ARG(regs), 64};
	switch (NUMBER(regs)) {
	case SYS_clone:
		return (uint32_t)ARG(regs);
	case SYS_clone3:
		process_vm_readv(tid, &here, 1, &there, 1, 0);
		return args.flags | args.exit_signal;
#ifdef SYS_fork
	case SYS_fork:
		return SIGCHLD;
	case SYS_vfork:
		return CLONE_VM | CLONE_VFORK | SIGCHLD;
#endif
	default:
		return 0;
	}
}

static void record_birth(pid_t parent) {
	unsigned long child = 0;
	registers regs;
	struct iovec into = {&regs, sizeof regs};
	struct timespec now;
	/* Either fails if the creator was killed meanwhile; its end is reported next. */
	if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &child) < 0 ||
	    ptrace(PTRACE_GETREGSET, parent, NT_PRSTATUS, &into) < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (count == room) {
		room = room ? 2 * room : 65536;
		records = realloc(records, room * sizeof *records);
		if (!records)
			fail("realloc");
	}
	records[count++] = (struct record){(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
					   (uint32_t)parent, (uint32_t)child, flags_of(parent, &regs),
					   (uint64_t)PC(&regs)};
}

static void write_records(const char *path) {
	FILE *out = fopen(path, "wb");
	if (!out || fwrite(records, sizeof *records, count, out) != count || fclose(out) != 0)
		fail(path);
}

/* Starts the command; it waits at a pipe until it is seized, so its exec is the first event. */
static pid_t launch(char **command) {
	int go[2];
	char byte = 0;
	if (pipe(go) < 0)
		fail("pipe");
	pid_t root = fork();
	if (root < 0)
		fail("fork");
	if (root == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(127);
		close(go[0]);
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(go[0]);
	long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		       PTRACE_O_TRACEEXEC;
	if (ptrace(PTRACE_SEIZE, root, 0, options) < 0)
		fail("PTRACE_SEIZE");
	if (write(go[1], &byte, 1) != 1)
		fail("write");
	close(go[1]);
	return root;
}

static void handle_stop(pid_t tid, int status, int let_go) {
	int signal = WSTOPSIG(status);
	switch (status >> 16) {
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		record_birth(tid);
		ptrace(PTRACE_CONT, tid, 0, 0);
		return;
	case PTRACE_EVENT_STOP: /* a newborn's first stop, or a group-stop */
		if (let_go)
			ptrace(PTRACE_DETACH, tid, 0, 0);
		else
			ptrace(signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, tid, 0, 0);
		return;
	case 0: /* a signal: pass it on */
		ptrace(PTRACE_CONT, tid, 0, signal);
		return;
	default: /* exec */
		ptrace(PTRACE_CONT, tid, 0, 0);
	}
}

int main(int argc, char **argv) {
	int detach = argc > 1 && strcmp(argv[1], "detach") == 0;
	char **command = argv + (detach || (argc > 1 && strcmp(argv[1], "follow") == 0) ? 2 : 1);
	if (!argv[0] || !*command) {
		fprintf(stderr, "usage: smallest_tracer [follow|detach] CMD ARG...\n");
		return 2;
	}
	/* The command gets the terminal's signals itself; its end ends this program. */
	pid_t root = launch(command), tid;
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	int status, code = 0;
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid <= 0)
			continue;
		if (WIFSTOPPED(status))
			handle_stop(tid, status, detach && tid != root);
		else if (tid == root)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (getenv("OUT"))
		write_records(getenv("OUT"));
	return code;
}
