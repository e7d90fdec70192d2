/* Runs a command that the kernel refuses ptrace(2), as the seccomp filter of a container does.
 *
 *     noptrace COMMAND [ARGUMENT…]
 */
#define _GNU_SOURCE
#include "say.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof code / sizeof *code, code};
	if (argc < 2)
		die("a command is needed");
	/* Without privileges a filter needs the promise not to get any. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		die("cannot install a filter: %s", strerror(errno));
	execvp(argv[1], argv + 1);
	die("cannot run %s: %s", argv[1], strerror(errno));
}
