import EndpointStrings
import EndpointsCore

extension DescriptorEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let kind = DescriptorKind(of: descriptor)
        let found = "descriptor \(descriptor) is \(kind)"
        switch (list.side, kind) {
        case (.client, .connected), (.server, .listening): list.pass("descriptor", found)
        case (.client, _): list.fail("descriptor", "\(found), not a connected stream socket")
        case (.server, _): list.fail("descriptor", "\(found), not a listening stream socket")
        }
    }
}

extension SystemdEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        guard let choice = name.map(ActivatedSockets.Choice.name) ?? index.map({ .index($0) })
        else { return }
        let argument = name == nil ? "index" : "name"
        do throws(ActivatedSockets.Refusal) {
            let chosen = try ActivatedSockets.ofProcess.chosen(choice, domain: domain?.number)
            for socket in chosen {
                let kind = DescriptorKind(of: socket.descriptor)
                list.pass(
                    argument,
                    "descriptor \(socket.descriptor) (\"\(socket.name)\") is \(kind)"
                )
            }
        } catch {
            list.fail(argument, error.reason)
        }
    }
}
