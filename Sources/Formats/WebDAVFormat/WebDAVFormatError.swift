/// What is wrong with a header or body of WebDAV.
package struct WebDAVFormatError: Error, Sendable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
