// A program that imports Endpoints can name loops and groups without a second import.
@_exported import EventLoop
