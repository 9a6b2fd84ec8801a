import Endpoints

@main struct EndpointCommand {
    static func main() {}
}
