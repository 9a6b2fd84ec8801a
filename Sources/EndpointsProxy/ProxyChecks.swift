// What wraps another endpoint has little to look at itself.

import EndpointStrings
import EndpointsCore
import EndpointsNet

extension ProxyServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        if from == nil {
            list.pass("from", "warning: \(Self.trustsEverybody)")
        }
        await list.nested("endpoint", endpoint)
    }
}

extension ProxyClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async { await list.nested("endpoint", endpoint) }
}

extension SOCKS5ClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async { await checkTunnel(&list) }
}

extension HTTPConnectClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async { await checkTunnel(&list) }
}

extension ProxyTunnel {
    /// The host is the proxy's to look up.
    fileprivate func checkTunnel(_ list: inout CheckList) async {
        if let passwordFile {
            do {
                let isEmpty = try readPassword(passwordFile).isEmpty
                if isEmpty {
                    list.fail("passwordFile", "the first line of \"\(passwordFile)\" is empty")
                } else {
                    list.pass("passwordFile", "\"\(passwordFile)\" can be read")
                }
            } catch {
                list.fail("passwordFile", error)
            }
        }
        await list.nested("proxy", proxy)
    }
}
