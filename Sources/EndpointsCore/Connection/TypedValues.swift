// What a layer adds to a connection or a request without the core knowing the layer: the value's type is
// its name. There are two or three at the most, so a search from the front beats a table.

/// Values by their types, one of each.
package struct TypedValues: Sendable {
    private var values: [any Sendable] = []

    package init() {}

    package var isEmpty: Bool { values.isEmpty }

    package subscript<Value: Sendable>(_ type: Value.Type) -> Value? {
        get {
            for case let value as Value in values { return value }
            return nil
        }
        set {
            values.removeAll { $0 is Value }
            if let newValue { values.append(newValue) }
        }
    }
}
