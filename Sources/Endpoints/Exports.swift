// `import Endpoints` gives everything.
@_exported import EndpointStrings
@_exported import EndpointsCore
@_exported import EndpointsHost
@_exported import EndpointsNet
@_exported import EndpointsProxy
@_exported import EndpointsTLS
@_exported import EventLoop
