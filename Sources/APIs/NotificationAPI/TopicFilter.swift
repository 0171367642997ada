import Notifications
import Wire

/// The filter of topics whose things have no language of their own: `name=value&name=value`, percent-encoded as in an
/// address. Of a name that stands there more than once one has to hold, of different names all.
package struct TopicFilter {
    private let values: [String: [String]]

    /// - Throws: `NotificationsError` `.invalid` for a name that is not among `names`.
    init(_ text: String, names: [String], example: String) throws {
        func refuse(_ why: String) -> NotificationsError {
            NotificationsError(code: .invalid, message: "filter: \(why); one is like \(example)")
        }
        guard let items = QueryItems(parsing: text, limit: 100)?.items else {
            throw refuse("it is not valid percent-encoding, or has more than 100 conditions")
        }
        var values: [String: [String]] = [:]
        for (name, value) in items {
            guard names.contains(name), let value, !value.isEmpty else {
                throw refuse("'\(name.prefix(40))' is not one of \(names.joined(separator: ", ")) with a value")
            }
            values[name, default: []].append(value)
        }
        self.values = values
    }

    /// Whether nothing is said of a name, or one of its values holds.
    func allows(_ name: String, _ holds: (String) -> Bool) -> Bool {
        values[name].map { $0.contains(where: holds) } ?? true
    }
}

/// Whether a name is meant by another one that may end with `*`.
func covers(_ pattern: String, _ name: String) -> Bool {
    pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : pattern == name
}
