import Endpoints
import Glibc
import Logging

/// The number of files that this process may have open: RLIMIT_NOFILE of getrlimit(2).
enum DescriptorLimit {
    /// Below it a server soon has none left; a connection takes one, in a relay two.
    private static let low: rlim_t = 16_384

    /// Raises it as far as it goes without privileges, and says so in the log if that is not far.
    static func raise(_ logger: Logger) {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        if setrlimit(resource, &limit) != 0 { limit.rlim_cur = before }
        RunningPrograms.descriptorLimit = UInt64(before)
        logger.debug(
            "descriptor limit raised",
            metadata: ["from": "\(before)", "to": "\(limit.rlim_cur)"]
        )
        if limit.rlim_cur < low {
            logger.warning("descriptor limit is low", metadata: ["limit": "\(limit.rlim_cur)"])
        }
    }
}
