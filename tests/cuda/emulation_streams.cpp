// SPDX-License-Identifier: MIT
// The emulated runtime: streams, events, graphs.
#include <utility>

#include "emulation_state.hpp"

using namespace emulation;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Turn turn;
  *stream = new CUstream_st{chosen_device};
  (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  if (!(*stream)->blocking) runtime().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const Turn turn;
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Turn turn;
  if (stream && stream->capture) return result(cudaErrorStreamCaptureUnsupported);
  ++runtime().counts.waits;
  drain(queue_of(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Turn turn;
  drain(queue_of(stream));
  runtime().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Turn turn;
  return result(push(stream, [=] {
    if (event->pending) drain(*event->queue);
  }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Turn turn;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Turn turn;
  cudaEventSynchronize(event);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Turn turn;
  event->queue = &queue_of(stream);
  event->pending = true;
  return result(push(stream, [=] {
    event->time = std::chrono::steady_clock::now();
    event->pending = false;
  }));
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Turn turn;
  if (event->pending && event->queue) drain(*event->queue);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Turn turn;
  if (!start->queue || !end->queue || start->pending || end->pending)
    return result(cudaErrorInvalidValue);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Turn turn;
  if (!stream || stream->capture) return result(cudaErrorStreamCaptureUnsupported);
  stream->capture = new CUgraph_st;
  ++runtime().counts.captures;
  stream->spoiled = runtime().spoil;
  stream->mode = mode;
  stream->owner = std::this_thread::get_id();
  runtime().capturing.insert(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Turn turn;
  if (!stream || !stream->capture) return result(cudaErrorInvalidValue);
  const bool spoiled = std::exchange(stream->spoiled, false);
  if (spoiled) delete stream->capture;
  *graph = spoiled ? nullptr : stream->capture;
  stream->capture = nullptr;
  runtime().capturing.erase(stream);
  return result(spoiled ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Turn turn;
  *exec = nullptr;
  if (fails_now()) return result(cudaErrorMemoryAllocation);
  *exec = new CUgraphExec_st{graph->work};
  ++runtime().counts.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo*) {
  const Turn turn;
  if (exec->work.size() != graph->work.size()) return result(cudaErrorGraphExecUpdateFailure);
  exec->work = graph->work;
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  const Turn turn;
  return result(fails_now() ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Turn turn;
  return result(push(stream, [work = exec->work] {
    for (const Work& item : work) item();
  }));
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const Turn turn;
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Turn turn;
  delete graph;
  return cudaSuccess;
}
