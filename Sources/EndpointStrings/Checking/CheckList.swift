// What can be found out about an endpoint without connecting or listening: whether its files can be
// used, its names resolved, its port taken. A kind notes what it looks at; what it wraps looks for
// itself, under a name with the argument in front.
//
// Nothing that is found stays true: it is for the person who has just written the string, and
// connecting or listening looks at all of it again.

import EndpointsCore

/// One thing that was looked at.
package struct EndpointCheck: Sendable, Hashable {
    /// What it is about: an argument's name, those of endpoints around it before it, with dots.
    package var name: String
    /// Whether it stands in the way of connecting or listening.
    package var isOK: Bool
    /// What was found, in words.
    package var message: String
}

/// An error that says more to the person who checks than its description.
package protocol CheckableError: Error {
    /// What is wrong, in words.
    var finding: String { get }
}

/// A kind that can be looked at beforehand.
package protocol CheckableEndpoint {
    /// Notes what can be found out.
    func check(_ list: inout CheckList) async
}

/// What was looked at, in order.
package struct CheckList: Sendable {
    /// The findings.
    package private(set) var checks: [EndpointCheck] = []
    package let side: EndpointSide
    package let context: EndpointContext
    /// The name that clients will ask a server for.
    package let serverName: String?
    private var path = ""

    /// Looks at a client's endpoint, and all that it is made of.
    package static func of(
        _ endpoint: any ClientEndpoint,
        in context: EndpointContext
    ) async -> [EndpointCheck] {
        var list = CheckList(side: .client, context: context, serverName: nil)
        await (endpoint as? any CheckableEndpoint)?.check(&list)
        return list.checks
    }

    /// Looks at a server's endpoint; `serverName` is what clients will ask for, if that is known.
    package static func of(
        _ endpoint: any ServerEndpoint,
        serverName: String?,
        in context: EndpointContext
    ) async -> [EndpointCheck] {
        var list = CheckList(side: .server, context: context, serverName: serverName)
        await (endpoint as? any CheckableEndpoint)?.check(&list)
        return list.checks
    }

    private init(side: EndpointSide, context: EndpointContext, serverName: String?) {
        self.side = side
        self.context = context
        self.serverName = serverName
    }

    package mutating func pass(_ name: String, _ message: String) { note(name, true, message) }

    package mutating func fail(_ name: String, _ message: String) { note(name, false, message) }

    package mutating func fail(_ name: String, _ error: any Error) {
        switch error {
        case let error as EndpointError:
            fail(name, error.advice.map { "\(error.why); \($0)" } ?? error.why)
        case let error as any CheckableError:
            fail(name, error.finding)
        default:
            fail(name, "\(error)")
        }
    }

    /// Has what is wrapped look at itself.
    package mutating func nested(_ name: String, _ endpoint: Any) async {
        guard let endpoint = endpoint as? any CheckableEndpoint else { return }
        let outer = path
        path += "\(name)."
        await endpoint.check(&self)
        path = outer
    }

    private mutating func note(_ name: String, _ isOK: Bool, _ message: String) {
        let message = EndpointError.escapingControls(message)
        checks.append(EndpointCheck(name: path + name, isOK: isOK, message: message))
    }
}
