import IAMPolicy
import Testing

/// A policy of one statement; `elements` are the JSON members after the effect.
func policy(_ elements: String, effect: String = "Allow", kind: PolicyKind = .identity) throws -> PolicyDocument {
    try PolicyDocument(
        parsing: #"{"Version":"2012-10-17","Statement":[{"Effect":"\#(effect)",\#(elements)}]}"#, kind: kind)
}

func request(
    _ action: String = "s3:GetObject", _ resource: String = "arn:aws:s3:::eo/a.txt",
    principal: String = "arn:aws:iam::martlet:user/ada", context: [String: [String]] = [:]
) -> PolicyRequest {
    PolicyRequest(principal: principal, action: action, resource: resource, context: context)
}

func allows(_ document: PolicyDocument, _ request: PolicyRequest) -> Bool {
    request.evaluate([("p", document)]).isAllowed
}

/// The error with which a document is refused; nil if it is accepted.
func refusal(_ text: String, kind: PolicyKind = .identity) -> PolicyError? {
    do throws(PolicyError) {
        _ = try PolicyDocument(parsing: text, kind: kind)
        return nil
    } catch {
        return error
    }
}
