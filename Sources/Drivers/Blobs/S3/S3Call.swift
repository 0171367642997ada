import NIOCore
import NIOHTTP1
import SigV4

/// A request to the bucket or one of its objects, to be signed and sent as often as it takes.
struct S3Call: Sendable {
    var method: HTTPMethod
    /// Nil for the bucket itself.
    var key: String?
    var query: [(name: String, value: String?)] = []
    var headers: [(name: String, value: String)] = []
    var body: ByteBuffer?
    /// The longest answer that is read, in bytes.
    var answerMax = 1 << 20
    /// Whether the task's cancellation ends it; else it goes on to its end, as what was begun to be published has to.
    var isCancellable = false
    /// Whether an answer of success may hold an error: S3 begins to answer before a long operation has ended.
    var failsInBody = false
    /// The longest it may take, where that is less than other calls may.
    var time: Duration?
}

/// An answer of success.
struct S3Answer: Sendable {
    let status: UInt
    let headers: HTTPHeaders
    let body: ByteBuffer
}

/// What the layers above have to know of an answer of failure.
struct S3Failure: Error {
    let error: BlobError
    /// Whether the same call may work in a moment.
    let isTransient: Bool

    init(_ error: BlobError, isTransient: Bool) {
        self.error = error
        self.isTransient = isTransient
    }

    /// - Parameters:
    ///   - code: S3's, from the answer's XML; nil where there is none, as for HEAD.
    ///   - region: the value of `x-amz-bucket-region`.
    init(_ what: String, status: UInt, code: String?, message: String?, region: String?) {
        let said = Self.printable([code, message].compactMap(\.self).joined(separator: ": "))
        let text = "\(what): the store answered \(status)\(said.isEmpty ? "" : " \(said)")"
        let kind: (BlobError.Code, isTransient: Bool, hint: String) =
            switch (status, code ?? "") {
            case (_, "NoSuchBucket"): (.unavailable, false, "; the bucket is gone")
            case (507, _), (_, "QuotaExceeded"), (_, "InsufficientStorage"), (_, "XMinioStorageFull"),
                (_, "XMinioAdminBucketQuotaExceeded"):
                (.full, false, "")
            case (404, _): (.notFound, false, "")
            case (412, _): (.exists, false, "")
            case (416, _): (.damaged, false, "")
            case (403, "RequestTimeTooSkewed"): (.unavailable, false, "; one of the two clocks is wrong")
            case (401, _), (403, _): (.unavailable, false, "; check the access key, its secret and its permissions")
            case (301, _), (307, _), (400, "AuthorizationHeaderMalformed"):
                (.unavailable, false, region.map { "; set region=\(Self.printable($0))" } ?? "; check the region")
            // A conflict is another conditional request in the same moment.
            case (409, _), (429, _), (400, "RequestTimeout"), (408, _): (.unavailable, true, "")
            case (501, _): (.io, false, "; it lacks an operation that Martlet needs")
            case (500..., _): (.unavailable, true, "")
            default: (.io, false, "")
            }
        self.init(BlobError(kind.0, text + kind.hint), isTransient: kind.isTransient)
    }

    /// Text from the network as it may stand in a message.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(300).map { $0.value < 0x20 ? " " : $0 }))
    }
}
