// The ways in which each system call can fail, from its man page: those that can happen to a program
// that is right. EBADF, EFAULT and the like can not, and are left out.

import CEndpointsFaults
import Glibc

/// One system call of a run, and what becomes of it.
struct Fault: CustomStringConvertible {
    enum Outcome {
        case error(Int32)
        case short
    }

    let call: Int32
    let name: String
    let number: Int64
    let outcome: Outcome

    func begin() {
        switch outcome {
        case .error(let code):
            endpoints_fault_begin(call, number, Int32(ENDPOINTS_FAULT_ERROR.rawValue), code)
        case .short:
            endpoints_fault_begin(call, number, Int32(ENDPOINTS_FAULT_SHORT.rawValue), 0)
        }
    }

    var description: String {
        let how =
            switch outcome {
            case .error(let code): String(cString: strerrorname(code))
            case .short: "one byte"
            }
        return "\(name) \(number): \(how)"
    }

    private func strerrorname(_ code: Int32) -> UnsafePointer<CChar> {
        UnsafePointer(strerror(code))
    }

    static func outcomes(of call: String) -> [Outcome] {
        errors[call, default: []].map(Outcome.error)
            + (shortened.contains(call) ? [.short] : [])
    }

    private static let shortened: Set = ["recv", "send", "read", "pread", "write", "sendfile"]

    private static let errors: [String: [Int32]] = [
        "recv": [EINTR, EAGAIN, ECONNRESET, ENOMEM, ETIMEDOUT],
        "send": [EINTR, EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM],
        "recv_flags": [EINTR, EAGAIN, ECONNRESET, ENOMEM],
        "send_flags": [EINTR, EAGAIN, ECONNRESET, EPIPE, ENOBUFS],
        "sendmsg": [EINTR, EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM],
        "read": [EINTR, EAGAIN, EIO],
        "pread": [EINTR, EIO],
        "write": [EINTR, EAGAIN, EPIPE, ENOSPC, EIO],
        "writev": [EINTR, EAGAIN, EPIPE],
        "sendfile": [EINTR, EAGAIN, EIO, EINVAL, ENOMEM],
        "socket": [EACCES, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT],
        "accept4": [
            EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ENETDOWN,
        ],
        "bind": [EACCES, EADDRINUSE, EADDRNOTAVAIL],
        "connect": [
            EINTR, EACCES, EAGAIN, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EPERM,
        ],
        "listen": [EADDRINUSE],
        "shutdown": [ENOTCONN],
        "getsockname": [ENOBUFS],
        "getpeername": [ENOTCONN, ENOBUFS],
        "setsockopt": [ENOMEM, ENOPROTOOPT, EPERM],
        "getsockopt": [ENOMEM, ENOPROTOOPT],
        "ioctl": [ENOTTY, EINVAL],
        "fcntl": [EMFILE, EINVAL],
        "poll": [EINTR, ENOMEM],
        "epoll_create1": [EMFILE, ENFILE, ENOMEM],
        "epoll_ctl": [ENOMEM, ENOSPC],
        "epoll_wait": [EINTR],
        "eventfd": [EMFILE, ENFILE, ENOMEM],
        "pipe2": [EMFILE, ENFILE],
        "dup2": [EINTR, EBUSY],
        "close": [EINTR, EIO],
        "open": [EINTR, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM],
        "stat": [EACCES, ENOENT, ENOMEM],
        "lstat": [EACCES, ENOENT, ENOMEM],
        "fstat": [ENOMEM],
        "rename": [EACCES, ENOENT, ENOSPC],
        "symlink": [EACCES, EEXIST, ENOSPC],
        "readlink": [EACCES, ENOENT, EINVAL],
        "unlink": [EACCES, ENOENT],
        "chmod": [EPERM, ENOENT],
        "fchmod": [EPERM, EIO],
        "getaddrinfo": [EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NONAME, EAI_SYSTEM],
        "pidfd_open": [EMFILE, ENFILE, ENOMEM, ENOSYS],
        "fork": [EAGAIN, ENOMEM],
        "posix_spawnp": [EAGAIN, ENOMEM, EACCES, ENOENT],
        "kill": [EPERM, ESRCH],
        "waitpid": [EINTR],
    ]
}
