// SPDX-License-Identifier: MIT
import com.google.gson.Gson;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.NativeApi;
import org.openapitools.client.model.*;

/** The calls of run.py with what OpenAPI Generator makes for Java. */
class OpenapiGenerator {
    public static void main(String[] arguments) throws Exception {
        var api = new NativeApi(new ApiClient().setBasePath(arguments[0]));
        List<Object> row = List.of(1, 2, 3);
        List<Object> batch = List.of(List.of(2, 1, 0), List.of(0, 1, 2));
        var labels = List.of(0, 1);
        Map<String, Object> said = new TreeMap<>();

        said.put("softmax", api.softmax(
            new SoftmaxRequest().logits(row)).execute().getProbabilities());
        said.put("query", api.softmax(new SoftmaxRequest().logits(row))
            .temperature(2.0).include(List.of("argmax", "entropy"))
            .execute().getProbabilities());
        said.put("softmax_batch", api.softmax(new SoftmaxRequest()
            .dtype(Dtype.FLOAT64).temperature(2.0)
            .logits(List.of(List.of(0.1, 0.2, 0.3),
                            List.of(4, 5, "-Infinity")))).execute().getProbabilities());
        said.put("loss", api.loss(
            new LossRequest().logits(batch).labels(labels)).execute().getLoss());
        said.put("loss_none", api.loss(new LossRequest().logits(batch)
            .labels(labels).weights(List.of(1.0, 2.0, 3.0))
            .reduction(Reduction.NONE)).execute().getLoss());
        said.put("gradient", api.gradient(
            new GradientRequest().logits(row).labels(2)).execute().getGradient());
        said.put("gradient_batch", api.gradient(
            new GradientRequest().logits(batch).labels(labels)
            .reduction(Reduction.SUM)).execute().getGradient());
        try {
            api.loss(new LossRequest().logits(List.of(row, row))
                .labels(List.of(0, 7))).execute();
        } catch (ApiException error) {
            Problem problem = Problem.fromJson(error.getResponseBody());
            said.put("pointer", problem.getPointer());
            said.put("detail", problem.getDetail());
        }
        System.out.println(new Gson().toJson(said));
        System.exit(0);  // without waiting for the idle connections
    }
}
