import Testing

extension Tag {
    @Tag static var cancellation: Self
    @Tag static var faults: Self
    @Tag static var realPeer: Self
    @Tag static var security: Self
}
