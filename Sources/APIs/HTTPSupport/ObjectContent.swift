import NIOCore
package import NIOHTTP1
package import Objects

extension Response {
    /// An answer with a range of an object's content: from memory where it is small, streamed where it is not.
    ///
    /// - Parameter log: told what was wrong where reading fails after the answer has begun.
    package static func content(
        of object: OpenObject, in objects: Objects, range: Range<Int64>, status: HTTPResponseStatus,
        headers: HTTPHeaders, log: @escaping @Sendable (String) -> Void
    ) async throws -> Response {
        guard !range.isEmpty else { return Response(status, headers: headers) }
        if let buffer = try await objects.inlineBytes(of: object, range: range) {
            return Response(status, headers: headers, body: .buffer(buffer))
        }
        // What follows the status line can only break off.
        try await objects.requireKey(of: object)
        let count = range.upperBound - range.lowerBound
        return Response(
            status, headers: headers,
            body: .stream(length: count) { writer in
                do {
                    try await objects.read(object, range: range) { try await writer.write($0) }
                } catch let error as ObjectsError {
                    log("reading version \(object.version.id.text): \(error)")
                    throw error
                }
            })
    }
}
