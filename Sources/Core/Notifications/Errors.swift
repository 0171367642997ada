/// Why an act on webhooks was refused.
package struct NotificationsError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable { case notFound, invalid, limit }

    package var code: Code
    package var message: String

    package init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
